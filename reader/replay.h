/* Runs a recording's events in the order of time and keeps, for each stack, what happened in it:
 * allocated, live, at the peak, leaked, sampled.  One pass; memory is bounded by live blocks,
 * stacks and lanes that are active at once.
 *
 * Times here are keys: twice the ticks (ns where the processes' ticks differ), plus 1 for an
 * acquisition, so that among equal times releases come first, as event.h of the agent demands. */
#ifndef LODE_REPLAY_H
#define LODE_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "info.h"
#include "profile.h"
#include "source.h"

#define LODE_TENTHS LODE_PROFILE_TENTHS

struct lode_replay_options {
	uint64_t from, to, at; /* keys; 0: the start, UINT64_MAX: the end */
	bool is_at_peak;       /* live values are those of the peak; `at` is not used */
	const bool *processes; /* by index of info's processes: which take part; NULL: all */
	const bool
		*threads; /* by index of info's threads, likewise; frees count whoever does them */
	bool split_threads;
	bool want_timeline;
	bool has_progress;
};

struct lode_stack { /* one stack of one process (and thread, when split) that had an event */
	uint32_t process, thread; /* thread: UINT32_MAX, not split */
	uint32_t node;
	int64_t values[LODE_MEASURE_COUNT];
	uint64_t oldest_ns, youngest_ns; /* births of its leaked blocks; 0 when there are none */
	uint64_t survivors[LODE_TENTHS]; /* leaked blocks by the tenth of the range in which they
					    were allocated */
	uint64_t growth[LODE_TENTHS];	 /* live bytes at the end of each tenth of the range */
};

struct lode_nodes { /* of a process; node i is nodes[i], 0 is no node */
	struct lode_node *nodes;
	uint32_t count;
};

struct lode_replay_process {
	uint64_t cpu_ns, peak_bytes;
};

struct lode_replay_result {
	struct lode_stack *stacks;
	size_t stack_count;
	struct lode_nodes *nodes; /* by process */
	size_t process_count;
	struct lode_replay_process *processes;
	uint64_t *thread_cpu_ns;
	size_t thread_count;
	uint64_t peak_bytes, peak_key;
	uint64_t from_ns, to_ns, at_ns, peak_ns;
	bool has_memory_events, has_samples;
	struct lode_profile_stats stats;
	struct lode_profile_point *points;
	size_t point_count;
};

uint64_t lode_replay_key(const struct lode_info *info, uint64_t ns); /* the last key at this time */
uint64_t lode_replay_key_of_ticks(const struct lode_info *info, uint32_t process, uint64_t ticks);
uint64_t lode_replay_ns(const struct lode_info *info, uint64_t key);

/* May add threads to info.  Never fails: damage is the source's. */
void lode_replay(struct lode_info *info, struct lode_source *s, const struct lode_replay_options *o,
		 struct lode_replay_result *out);
void lode_replay_release(struct lode_replay_result *r);

#endif
