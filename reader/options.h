/* The command line: one table of options (options.c) makes parsing and --help; man pages and
 * completions are printed from it as well.  A row names its commands, its kind and the field it
 * sets. */
#ifndef LODE_READER_OPTIONS_H
#define LODE_READER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "load.h"

enum lode_command_bit {
	LODE_FOR_REPORT = 1 << 0,
	LODE_FOR_TOP = 1 << 1,
	LODE_FOR_TREE = 1 << 2,
	LODE_FOR_FLAME = 1 << 3,
	LODE_FOR_LEAKS = 1 << 4,
	LODE_FOR_DIFF = 1 << 5,
	LODE_FOR_ANNOTATE = 1 << 6,
	LODE_FOR_STATS = 1 << 7,
	LODE_FOR_TIMELINE = 1 << 8,
	LODE_FOR_CHECK = 1 << 9,
	LODE_FOR_INFO = 1 << 10,
	LODE_FOR_EXPORT = 1 << 11,
};

enum lode_option_kind {
	LODE_OPTION_FLAG,    /* bool: set */
	LODE_OPTION_TEXT,    /* const char *: points into argv */
	LODE_OPTION_LIST,    /* struct lode_list: may be given several times */
	LODE_OPTION_NUMBER,  /* int64_t, not negative */
	LODE_OPTION_BYTES,   /* int64_t: 200M, 1.5GiB (K, M, G, T are powers of 1024) */
	LODE_OPTION_TIME,    /* int64_t in ns: 10s, 1500ms, 2m; a bare number is seconds */
	LODE_OPTION_PERCENT, /* double: 5% or 5 is 5.0 */
	LODE_OPTION_WORD,    /* int: index into words */
};

struct lode_list {
	const char **items;
	size_t count;
};

struct lode_option {
	const char *name; /* without dashes; NULL: only the letter */
	char letter;      /* 0: none */
	uint8_t kind;     /* enum lode_option_kind */
	uint32_t commands;
	size_t offset;            /* of the field that it sets */
	const char *argument;     /* in the help; NULL for flags */
	const char *const *words; /* WORD: ended by NULL */
	const char *text;
};

/* Parses argv[1..] by the rows of `commands` into the struct at `into`, operands into *operands
 * (the strings stay in argv; the array is the caller's to free).  Everything after "--" is an
 * operand.  Returns 0; 1 when --help was asked for; -1 after a message that names the option and
 * the nearest known one. */
int lode_options_parse(const struct lode_option *rows, uint32_t commands, void *into, int argc,
		       char **argv, struct lode_list *operands);
/* The options' part of --help. */
void lode_options_help(const struct lode_option *rows, uint32_t commands, FILE *f);

/* "200M", "1.5GiB" and "5%"; 0 or -1. */
int lode_parse_bytes(const char *s, int64_t *out);
int lode_parse_percent(const char *s, double *out);

/* The nearest of the words to `typed`, or NULL when none is near. */
const char *lode_nearest_word(const char *typed, const char *const *words, size_t count);

/* ---- the options of every view --------------------------------------------------------------- */

enum lode_by {
	LODE_BY_FUNCTION,
	LODE_BY_LINE,
	LODE_BY_FILE,
	LODE_BY_MODULE,
	LODE_BY_STACK,
	LODE_BY_THREAD,
	LODE_BY_PROCESS,
	LODE_BY_TYPE,
	LODE_BY_SITE, /* the innermost Python function; native frames below it are its own */
	LODE_BY_PYTHON_LINE, /* its line; stacks without Python have no row */
};
extern const char *const lode_by_words[];

enum lode_sort { LODE_SORT_SELF, LODE_SORT_TOTAL, LODE_SORT_COUNT, LODE_SORT_NAME };
extern const char *const lode_sort_words[];

enum lode_color { LODE_COLOR_AUTO, LODE_COLOR_ALWAYS, LODE_COLOR_NEVER };

struct lode_view_options {
	const char *command;
	struct lode_load_options load; /* filled by lode_cmd_parse: files, moments, filters */
	struct lode_list files, pids, threads;
	int64_t *pid_numbers;
	int measure; /* enum lode_measure; -1: not given */
	int by;      /* enum lode_by; -1: not given */
	int sort;    /* enum lode_sort; -1: not given */
	int color;
	int64_t limit;      /* -1: not given, 0: all */
	int64_t depth;      /* -1: not given */
	double min_percent; /* < 0: not given */
	bool json, csv, no_lines, no_pager, split_threads, exit_code, force, svg, was_dashed;
	const char *output; /* NULL or "-": standard output */
	const char *format, *title, *baseline;
	int64_t max_peak, max_leak, max_allocated, max_allocations, max_cpu; /* -1: not given */
	const char *max_growth;
	double tolerance;
};

extern const struct lode_option
	lode_view_option_rows[]; /* ended by a row without name and letter */

/* Defaults, then the table.  As lode_options_parse; files, pids and threads are handed on to
 * o->load. */
int lode_view_options_parse(struct lode_view_options *o, uint32_t command, int argc, char **argv);
void lode_view_options_release(struct lode_view_options *o);

#endif
