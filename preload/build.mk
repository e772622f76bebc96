# liblode.so: every .c under preload/ is part of it, but for unwind_libunwind_test.c and the like (none yet).
PRELOAD_SRC := $(wildcard preload/*.c preload/python/*.c preload/arch/x86_64/*.c)
PRELOAD_ASM := $(wildcard preload/arch/x86_64/*.S)
PRELOAD_OBJ := $(PRELOAD_SRC:%.c=$(B)/%.o) $(PRELOAD_ASM:%.S=$(B)/%.o)
PRELOAD_FLAGS := $(CBASE) -D_GNU_SOURCE -Ipreload -fPIC -fvisibility=hidden -ftls-model=initial-exec \
	-fno-stack-protector -fno-omit-frame-pointer -fno-plt -fno-builtin-malloc -fno-builtin-calloc \
	-fno-builtin-realloc -fno-builtin-free -fcf-protection=none -flto -ffat-lto-objects

$(B)/preload/%.o: preload/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(PRELOAD_FLAGS) -c $< -o $@

$(B)/preload/%.o: preload/%.S
	@mkdir -p $(@D)
	$(Q)$(CC) $(PRELOAD_FLAGS) -c $< -o $@

# A private jemalloc: Debian's PIC archive with every public name prefixed and its libc imports redirected to mem.c's
# shims, so that the program's MALLOC_CONF, fork handlers and our own hooks never meet it.
JEMALLOC_PIC := $(firstword $(wildcard /usr/lib/*/libjemalloc_pic.a /usr/lib/libjemalloc_pic.a /usr/local/lib/libjemalloc_pic.a))
JEMALLOC_PUBLIC := malloc calloc realloc free posix_memalign aligned_alloc memalign valloc malloc_usable_size \
	mallocx rallocx xallocx sallocx dallocx sdallocx nallocx mallctl mallctlnametomib mallctlbymib \
	malloc_stats_print malloc_conf malloc_message malloc_conf_2_conf_harder
JEMALLOC_IMPORT := mmap munmap madvise mprotect secure_getenv readlink dlsym pthread_atfork atexit sbrk \
	_Unwind_Backtrace _Unwind_GetIP log exp round

$(B)/preload/jemalloc.o: preload/build.mk
	@mkdir -p $(B)/preload/je
	$(call say,JE,$@)
	$(Q)test -n "$(JEMALLOC_PIC)" || { echo "lode: libjemalloc_pic.a not found: apt-get install libjemalloc-dev" >&2; exit 1; }
	$(Q)cd $(B)/preload/je && ar x $(JEMALLOC_PIC) && rm -f *cpp*.o
	$(Q)ld -r -o $(B)/preload/je/all.o $(B)/preload/je/*.pic.o
	$(Q)objcopy $(foreach s,$(JEMALLOC_PUBLIC),--redefine-sym $(s)=lode_je_$(s)) \
		$(foreach s,$(JEMALLOC_IMPORT),--redefine-sym $(s)=lode_shim_$(s)) $(B)/preload/je/all.o $(B)/preload/je/named.o
	$(Q)objcopy $(foreach s,$(JEMALLOC_PUBLIC),--keep-global-symbol lode_je_$(s)) $(B)/preload/je/named.o $@

$(B)/liblode.so: $(PRELOAD_OBJ) $(B)/preload/jemalloc.o preload/exports.map
	$(call say,LINK,$@)
	$(Q)$(CC) -shared -O2 -flto=auto -fno-omit-frame-pointer -o $@ $(filter %.o,$^) -Wl,--version-script=preload/exports.map -Wl,-z,now -Wl,-z,nodelete \
		-Wl,-z,relro -Wl,--no-undefined -Wl,-soname,liblode.so

-include $(PRELOAD_SRC:%.c=$(B)/%.d)
