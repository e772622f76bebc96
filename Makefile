# lode: two programs.  preload/ -> build/liblode.so (runs inside the profiled program), reader/ -> build/lode.
#   make            build both                    make test       everything that must hold
#   make demo       install what is missing, build, record a real program, write the reports
#   make help       the rest
# Options: CC=, B=directory, SAN=address,undefined, WERROR=1, V=1
CC      ?= gcc
B       ?= build
PREFIX  ?= /usr/local
DESTDIR ?=
VERSION := 0.1.0

WARN    := -Wall -Wextra -Wshadow -Wmissing-prototypes -Wvla $(if $(WERROR),-Werror)
CBASE   := -std=gnu17 -O2 -g -Iinclude $(WARN) -MMD -MP -DLODE_VERSION='"$(VERSION)"'
Q       := $(if $(V),,@)
say      = $(if $(V),,@printf '  %-5s %s\n' $(1) $(2))

include preload/build.mk
include reader/build.mk
include tests/build.mk
include examples/build.mk

.DEFAULT_GOAL := all
.PHONY: all demo test clean install uninstall help fmt
all: $(B)/lode $(B)/liblode.so

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/lode $(DESTDIR)$(PREFIX)/include/lode
	install -m 755 $(B)/lode $(DESTDIR)$(PREFIX)/bin/lode
	install -m 755 $(B)/liblode.so $(DESTDIR)$(PREFIX)/lib/lode/liblode.so
	install -m 644 include/lode/lode.h $(DESTDIR)$(PREFIX)/include/lode/lode.h

uninstall:
	rm -rf $(DESTDIR)$(PREFIX)/bin/lode $(DESTDIR)$(PREFIX)/lib/lode $(DESTDIR)$(PREFIX)/include/lode

clean:
	rm -rf $(B)

fmt:
	clang-format -i $$(git ls-files '*.c' '*.h')

help:
	@sed -n '2,5p' Makefile; echo '#   make check-unit check-e2e check-python check-torture check-hostile check-layers   parts of make test'; \
	echo '#   make bench      ratios against other profilers      make fuzz      libFuzzer on the decoder'
