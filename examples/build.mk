# The demo and what it needs; the examples themselves are run by `make test`.
.PHONY: deps demo check-examples

deps:
	@CC="$(CC)" sh examples/deps.sh --tests

# A sub-make after the packages are there: preload/build.mk looks for the jemalloc archive when it is read.
demo:
	@CC="$(CC)" sh examples/deps.sh
	@$(MAKE) --no-print-directory all
	@LODE=$(abspath $(B))/lode OUT=$(abspath $(B))/demo sh examples/demo.sh

check-examples: all
	@$(RUN) examples
