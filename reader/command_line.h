/* The command line of `lode record`: which words are lode's and which the program's, and what they ask for. */
#ifndef LODE_COMMAND_LINE_H
#define LODE_COMMAND_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lode_record_options {
	const char *output; /* pattern; NULL: the default name */
	const char *memory; /* as typed: "full", "sample=64K" */
	const char *allocator;
	int64_t rate, pid, duration_ns, max_size, sample_bytes;
	int clock, native; /* indexes into their words */
	bool force, children, no_children, calls, quiet, force_run;
	char **command; /* ended by NULL; starts with "python3" for a script, -m and -c; owned */
	char name[256]; /* %n: the script's, module's or program's name */
};

/* Returns -1 to go on, else the exit status: help was printed, or a message. */
int lode_record_options_parse(struct lode_record_options *o, int argc, char **argv);
void lode_record_options_release(struct lode_record_options *o);

/* LODE_OPTIONS for the agent. */
void lode_record_options_words(const struct lode_record_options *o, char *buf, size_t n);

#endif
