# Tests: the programs that they need, and the targets that run them.  How to add one: tests/README.md.
PYTHON  ?= python3
CXX     ?= g++
T       := $(B)/tests

# ---- unit: every tests/unit/*_test.c, linked with what its "link:" line says --------------------
UNIT_SRC := $(wildcard tests/unit/*_test.c)
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(T)/unit/%)
unit_link = $(shell sed -n 's|^/\* *link: *\(.*[^ ]\) *\*/.*|\1|p' $(1))
unit_side = -I$(if $(findstring preload/,$(call unit_link,$(1))),preload,reader)
UNIT_HEADERS := $(wildcard include/lode/*.h preload/*.h preload/*/*.h preload/arch/*/*.h reader/*.h reader/lib/*.h tests/unit/*.h)

.SECONDEXPANSION:
$(T)/unit/%: tests/unit/%.c $(UNIT_HEADERS) \
		$$(wildcard $$(filter %.c %.S,$$(call unit_link,tests/unit/$$*.c))) \
		$$(addprefix $(B)/,$$(filter %.o,$$(call unit_link,tests/unit/$$*.c)))
	@mkdir -p $(@D)
	$(call say,TEST,$<)
	$(Q)$(CC) $(filter-out -MMD -MP,$(CBASE)) -D_GNU_SOURCE -I. $(call unit_side,$<) \
		$(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer) -Wno-missing-prototypes $< \
		$(foreach w,$(call unit_link,$<),$(if $(filter %.o,$(w)),$(B)/$(w),$(w))) -lcmocka -lpthread -o $@

# ---- programs whose truth is known, and programs that break profilers ---------------------------
# No built-in allocation functions: the compiler would remove pairs that a test counts.
TARGET_FLAGS := -std=gnu17 -O2 -g -Wall -Wextra -Wno-alloc-size-larger-than -D_GNU_SOURCE -fno-builtin \
	-fno-optimize-sibling-calls -Wno-infinite-recursion -Wno-clobbered -Itests/e2e/targets
TARGET_FLAGS_CXX := $(filter-out -std=gnu17,$(TARGET_FLAGS)) -std=gnu++17
TARGET_LIBS := -lpthread -ldl -lm -lz -lcrypto
TARGETS := $(patsubst tests/e2e/targets/%.c,$(T)/e2e/%,$(wildcard tests/e2e/targets/*.c)) \
	$(patsubst tests/e2e/targets/%.cc,$(T)/e2e/%,$(wildcard tests/e2e/targets/*.cc))
TORTURE := $(patsubst tests/torture/programs/%.c,$(T)/torture/%,$(wildcard tests/torture/programs/*.c)) \
	$(patsubst tests/torture/programs/%_plugin.cc,$(T)/torture/%_plugin.so,$(wildcard tests/torture/programs/*_plugin.cc))
BENCH := $(patsubst tests/bench/%.c,$(T)/bench/%,$(wildcard tests/bench/*.c))

$(T)/e2e/%: tests/e2e/targets/%.c $(wildcard tests/e2e/targets/*.h)
	@mkdir -p $(@D)
	$(call say,TEST,$<)
	$(Q)$(CC) $(TARGET_FLAGS) $< -o $@ $(filter-out -lcrypto,$(TARGET_LIBS))

$(T)/e2e/%: tests/e2e/targets/%.cc $(wildcard tests/e2e/targets/*.h)
	@mkdir -p $(@D)
	$(call say,TEST,$<)
	$(Q)$(CXX) $(TARGET_FLAGS_CXX) $< -o $@ -lpthread

$(T)/torture/%: tests/torture/programs/%.c $(wildcard tests/torture/programs/*.h)
	@mkdir -p $(@D)
	$(call say,TEST,$<)
	$(Q)$(CC) $(TARGET_FLAGS) -Itests/torture/programs $< -o $@ -Wl,-z,now -lpthread -ldl -lm -lrt

$(T)/torture/static_true: tests/torture/programs/static_true.c tests/torture/programs/torture.h
	@mkdir -p $(@D)
	$(call say,TEST,$<)
	$(Q)$(CC) $(TARGET_FLAGS) -static -Itests/torture/programs $< -o $@

$(T)/torture/%_plugin.so: tests/torture/programs/%_plugin.cc
	@mkdir -p $(@D)
	$(call say,TEST,$<)
	$(Q)$(CXX) $(TARGET_FLAGS_CXX) -fPIC -shared $< -o $@

$(T)/bench/%: tests/bench/%.c
	@mkdir -p $(@D)
	$(call say,TEST,$<)
	$(Q)$(CC) $(TARGET_FLAGS) $< -o $@ -lpthread

.PHONY: test test-programs check-unit check-e2e check-python check-torture check-hostile check-layers check-exports \
	check-golden bench fuzz
RUN := LODE_BUILD=$(abspath $(B)) CC="$(CC)" $(PYTHON) tests/run

test-programs: $(TARGETS) $(TORTURE)

# -k: a test that does not build is one failure in the closing line, not the end of the run.
test: all
	@$(MAKE) --no-print-directory -k $(UNIT_BIN) test-programs || true
	@$(RUN)

check-unit: ; @$(MAKE) --no-print-directory -k $(UNIT_BIN) || true
	@$(RUN) unit
check-e2e: all $(TARGETS) ; @$(RUN) e2e
check-python: all $(TARGETS) ; @$(RUN) python
check-torture: all $(TORTURE) $(TARGETS) ; @$(RUN) torture
check-hostile: all ; @$(RUN) hostile
check-golden: all $(TARGETS) ; @$(RUN) golden
check-exports: all $(TARGETS) ; @$(RUN) exports
check-layers: all ; @$(RUN) layers

bench: all $(BENCH)
	@LODE_BUILD=$(abspath $(B)) $(PYTHON) tests/bench/bench.py $(BENCH_ARGS)

# FUZZ_SECONDS=60; tests/fuzz/*_fuzz.c have the same "link:" line as unit tests.
FUZZ_SRC := $(wildcard tests/fuzz/*_fuzz.c)
FUZZ_BIN := $(FUZZ_SRC:tests/fuzz/%.c=$(T)/fuzz/%)
FUZZ_SECONDS ?= 60
$(T)/fuzz/%: tests/fuzz/%.c $(UNIT_HEADERS) $$(wildcard $$(filter %.c,$$(call unit_link,tests/fuzz/$$*.c)))
	@mkdir -p $(@D)
	$(call say,FUZZ,$<)
	$(Q)clang $(filter-out -MMD -MP,$(CBASE)) -D_GNU_SOURCE -I. $(call unit_side,$<) \
		-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -Wno-missing-prototypes $< $(call unit_link,$<) -o $@

fuzz: $(FUZZ_BIN)
	@for f in $(FUZZ_BIN); do mkdir -p $$f.corpus; \
	$$f -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=1024 -timeout=10 -print_final_stats=1 \
		$$f.corpus $$(ls -d tests/fuzz/corpus tests/hostile/corpus 2>/dev/null) || exit 1; done
