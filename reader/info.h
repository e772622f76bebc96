/* What a recording says about itself: processes, threads, modules, code objects, notices, marks,
 * resident memory. Gathered in one pass over the blocks that hold definitions, before anything is
 * replayed; `lode info` prints it. Times are ns since the recording's start.  Strings live as long
 * as the info. */
#ifndef LODE_INFO_H
#define LODE_INFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "lib/arena.h"
#include "lib/map.h"
#include "lode/format.h"
#include "source.h"

struct lode_info_process { /* one stream */
	uint32_t stream, parent_stream;
	int64_t pid, parent_pid;
	uint32_t begin; /* enum lode_begin */
	uint64_t realtime_ns;
	unsigned pointer_bytes;
	const char *version, *options, *executable, *directory; /* never NULL; "" unknown */
	const char *command;					/* arguments joined by blanks */
	uint64_t start_ns, end_ns;
	uint64_t start_ticks, end_ticks;
	int exit_status;	 /* as waitpid gives it; -1: unknown */
	bool is_gone;		 /* it is known to have ended, or become another image, at end_ns */
	uint32_t python_version; /* sys.hexversion; 0: none seen */
	const char *python_build;
	const char *became; /* path of an exec; NULL: none */
	bool has_sampled_memory;
	double sample_bytes;		   /* memory=sample: mean bytes between samples */
	bool has_cpu_off, has_memory_off;  /* switched off by the options */
	size_t first_module, module_count; /* in `modules` */
	struct lode_clock clock;
};

struct lode_info_thread {
	uint32_t process; /* index */
	int64_t tid;
	const char *name; /* never NULL */
	uint64_t cpu_ns;  /* of its life, as it said at its exit; 0: unknown */
	bool has_exited;
};

struct lode_info_module {
	uint32_t process, id, epoch;
	uint64_t bias, start, end;   /* end: after the last byte */
	uint64_t loaded_ns, gone_ns; /* gone: UINT64_MAX, not */
	const uint8_t *build_id;
	size_t build_id_bytes;
	const char *path;
};

struct lode_info_code {
	uint32_t first_line, version;
	const char *file, *name;
	const uint8_t *lines;
	size_t line_bytes;
};

struct lode_info_notice {
	uint32_t process; /* UINT32_MAX: the recorder */
	uint32_t severity;
	uint64_t time_ns;
	const char *text;
};

struct lode_info_mark {
	uint32_t process;
	uint64_t time_ns, ticks;
	const char *name;
};

struct lode_info_rss {
	uint32_t process; /* who noted it; UINT32_MAX: the recorder */
	int64_t pid;
	uint64_t time_ns, bytes;
};

struct lode_info {
	const char *path;
	bool is_log;
	uint64_t file_bytes, raw_bytes; /* raw: of the records, inflated */
	uint64_t block_count;
	uint64_t start_unix_ns, duration_ns;
	uint64_t origin_ns;    /* of CLOCK_MONOTONIC: the start, time 0 of every time here */
	bool has_common_clock; /* every process ticks alike: times compare across them */
	bool is_clock_guessed;
	struct lode_clock clock;
	uint64_t lost_events, lost_samples, python_dropped;
	uint32_t first_errno;
	struct lode_info_process *processes;
	struct lode_info_thread *threads;
	struct lode_info_module *modules; /* grouped by process, in order of start */
	struct lode_info_code *codes;	  /* see lode_info_code */
	struct lode_info_notice *notices;
	struct lode_info_mark *marks; /* in order of time */
	struct lode_info_rss *rss;    /* in order of time */
	size_t process_count, thread_count, module_count, code_count, notice_count, mark_count,
		rss_count;
	struct lode_map process_of_stream, thread_of_key, code_of_key; /* keys: stream << 32 | id */
	struct lode_arena arena;
	struct lode_info_private *scratch; /* while it is being gathered */
};

/* Never fails: what is damaged is left out, and the source says so. */
void lode_info_read(struct lode_info *info, struct lode_source *s);
void lode_info_release(struct lode_info *info);

/* Index of the process / thread, made when nothing has defined it. */
uint32_t lode_info_process(struct lode_info *info, uint32_t stream, int64_t pid);
uint32_t lode_info_thread(struct lode_info *info, uint32_t process, int64_t tid);
const struct lode_info_code *lode_info_code(const struct lode_info *info, uint32_t stream,
					    uint64_t id); /* or NULL */
/* The module that covered pc in `epoch`: the latest with an epoch up to that.  NULL: none. */
const struct lode_info_module *lode_info_module_at(const struct lode_info *info, uint32_t process,
						   uint64_t pc, uint32_t epoch);

#endif
