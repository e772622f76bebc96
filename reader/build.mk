# The reader: every .c under reader/ is part of it.
READER_SRC := $(wildcard reader/*.c reader/lib/*.c)
READER_ASM := $(wildcard reader/html/*.S)
READER_OBJ := $(READER_SRC:%.c=$(B)/%.o) $(READER_ASM:%.S=$(B)/%.o)
READER_FLAGS := $(CBASE) -D_GNU_SOURCE -Ireader $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer)
READER_LIBS := -ldw -lelf -liberty -lz -lm

$(B)/reader/%.o: reader/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(READER_FLAGS) -c $< -o $@

$(B)/reader/html/%.o: reader/html/%.S $(wildcard reader/html/*.html reader/html/*.js reader/html/*.css)
	@mkdir -p $(@D)
	$(Q)$(CC) -Ireader/html -c $< -o $@

$(B)/lode: $(READER_OBJ)
	$(call say,LINK,$@)
	$(Q)$(CC) $(if $(SAN),-fsanitize=$(SAN)) $^ -o $@ $(READER_LIBS)

-include $(READER_SRC:%.c=$(B)/%.d)
