/* From files to a profile: source -> decode -> replay -> symbols -> tree.  The one entry point of every view. */
#ifndef LODE_LOAD_H
#define LODE_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile.h"

struct lode_load_options {
	const char *const *files; /* FILE or FILE@MOMENT (diff); merged when several */
	size_t file_count;
	const char *at, *from, *to; /* moments: 10s, 1500ms, 2m, 50%, peak, end, mark:NAME; NULL: whole, live at the end */
	const int64_t *pids;        /* only these processes; empty: all */
	size_t pid_count;
	const char *const *threads; /* only these threads, by name or id */
	size_t thread_count;
	const char *focus, *ignore; /* extended regular expressions on frame names or labels: keep/drop stacks with a match */
	bool only_native, only_python; /* drop the frames of the other kind (special ones stay) */
	bool split_threads;         /* the thread becomes the root frame */
	bool split_processes;
	bool no_lines;              /* frames by function: equal functions merge whatever the line */
	bool no_symbols;            /* addresses only: fast */
	const char *sysroot;
	bool want_timeline;
	bool quiet;                 /* no progress */
};

enum lode_load_status {
	LODE_LOAD_OK = 0,
	LODE_LOAD_DAMAGED = 1, /* a profile is given, is_truncated is set, a warning was printed */
	LODE_LOAD_FAILED = -1, /* message printed, *out is NULL */
	LODE_LOAD_NONE = -3,   /* no process or thread is the one asked for: message printed */
	LODE_LOAD_USAGE = -2,  /* a moment or regular expression cannot be understood: message printed */
};

enum lode_load_status lode_load(const struct lode_load_options *o, struct lode_profile **out);

/* Header facts without replay, for `lode info`: prints nothing; see info.h. */

#endif
