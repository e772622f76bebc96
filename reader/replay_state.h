/* The state of a replay, for its two files: replay.c applies events, replay_range.c notes what they
 * came to.  Inline here is what both need, and the path of the events itself. */
#ifndef LODE_REPLAY_STATE_H
#define LODE_REPLAY_STATE_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decode.h"
#include "lib/progress.h"
#include "live.h"
#include "mappings.h"
#include "replay.h"

#define COUNT_SCALE \
	65536u /* counts of sampled streams are fixed-point: one sample stands for 1/p blocks */
#define NONE UINT32_MAX
#define LODE_REPLAY_BATCH 32u /* events decoded ahead, their live-map slots prefetched */

struct totals { /* of a stack: what changes with memory events; one cache line */
	uint64_t live_bytes, live_blocks;
	uint64_t peak_bytes, peak_blocks;
	uint64_t stamp;
	uint64_t allocated, allocations, temporary;
} __attribute__((aligned(64)));

struct key { /* what a stack's index stands for, and what changes seldom */
	uint32_t stream, thread, node;
	uint32_t next; /* of the stream's stacks; NONE: the last */
	uint64_t cpu_ns, samples;
	uint64_t unfreed_bytes,
		unfreed_blocks; /* live when its process ended: no memory any more, but leaked */
};

struct thread {
	uint64_t last_address; /* of the allocation that was the thread's last memory event; 0: it
				  was none */
	uint64_t cpu_ns;
	uint32_t unmapped_category;
};

struct stream { /* one process; index as in info */
	struct lode_live live;
	struct lode_mappings mappings;
	uint32_t *stack_of_node;      /* index + 1; not split by threads */
	struct lode_map stack_of_key; /* thread << 32 | node; split */
	uint32_t first_stack;	      /* NONE: there are none */
	uint64_t live_bytes, peak_bytes, cpu_ns;
	uint64_t count_unit;
	double sample_bytes;
	bool is_sampled, is_forked, is_ready;
};

struct lane {
	struct lode_lane decoder;
	struct lode_payload_buffer payload;
	struct lode_event events[LODE_REPLAY_BATCH]; /* time: key */
	size_t count, at;
	uint32_t stream, thread;
	uint64_t sequence; /* of its block: the order among equal keys */
	bool is_ignored; /* its thread was not chosen */
	struct lane *next_free;
};

struct entry {
	uint64_t key;
	struct lane *lane;
};

struct block_order {
	uint64_t key;
	const struct lode_block *block;
};

enum boundary_kind {
	BOUNDARY_GONE,
	BOUNDARY_FROM,
	BOUNDARY_STEP,
	BOUNDARY_TENTH,
	BOUNDARY_TO,
	BOUNDARY_AT
};

struct boundary {
	uint64_t key;
	uint32_t kind, index;
};

struct category_total {
	uint64_t live, most, at_peak, stamp;
};

struct replay {
	struct lode_info *info;
	struct lode_source *source;
	const struct lode_replay_options *options;
	struct lode_replay_result *result;
	struct stream *streams;
	struct totals *totals;
	struct key *keys;
	size_t stack_count, stack_capacity;
	struct thread *threads;
	size_t thread_count;
	size_t chosen_thread_count; /* of options->threads: threads met later are not in it */
	/* the path of the events */
	uint64_t live, step_high, peak;
	uint64_t peak_number, peak_key;
	uint64_t step_cpu;
	struct category_total categories[LODE_MAP_ARENA + 1];
	struct lode_profile_stats stats;
	/* the merge */
	struct entry *heap;
	size_t heap_count, heap_capacity;
	struct lane *free_lanes;
	uint64_t open_bytes;
	struct block_order *blocks; /* in order of their first keys */
	size_t block_count, block_next;
	struct boundary *boundaries;
	size_t boundary_count, boundary_next;
	uint64_t *growth[LODE_TENTHS]; /* live bytes by stack */
	size_t growth_count[LODE_TENTHS];
	uint64_t from_ns, to_ns;
	struct lode_progress progress;
};

/* replay_range.c: the moments of `options`, in order; what passes each is noted in the result. */
void lode_range_plan(struct replay *r);
void lode_range_pass(struct replay *r, const struct boundary *b);
void lode_range_add_rss(struct replay *r);
bool lode_replay_is_chosen(const struct replay *r, uint32_t process);

/* ---- amounts ------------------------------------------------------------------------------ */

struct amount {
	uint64_t bytes, count;
};

/* A block of b bytes is sampled with p = 1 - exp(-b / T): it stands for 1/p blocks of its size. */
static inline struct amount weigh(const struct stream *s, uint64_t size)
{
	double bytes = size ? (double)size : 1, p = -expm1(-bytes / s->sample_bytes);
	double most = 1e18;
	struct amount a = {size, COUNT_SCALE};
	if (p > 0) {
		double b = (double)size / p, c = COUNT_SCALE / p;
		a.bytes = (uint64_t)((b < most ? b : most) + 0.5);
		a.count = (uint64_t)((c < most ? c : most) + 0.5);
	}
	return a;
}

static inline struct amount amount_of(const struct stream *s, uint64_t size)
{
	if (__builtin_expect(s->is_sampled, 0))
		return weigh(s, size);
	return (struct amount){size, 1};
}

static inline void keep_peak(const struct replay *r, struct totals *t)
{
	if (t->stamp == r->peak_number)
		return;
	t->peak_bytes = t->live_bytes;
	t->peak_blocks = t->live_blocks;
	t->stamp = r->peak_number;
}

static inline void acquire(struct replay *r, struct stream *s, uint32_t stack, struct amount a,
			   uint64_t key)
{
	struct totals *t = &r->totals[stack];
	keep_peak(r, t);
	t->live_bytes += a.bytes;
	t->live_blocks += a.count;
	t->allocated += a.bytes;
	t->allocations += a.count;
	s->live_bytes += a.bytes;
	if (s->live_bytes > s->peak_bytes)
		s->peak_bytes = s->live_bytes;
	r->live += a.bytes;
	if (r->live <= r->step_high)
		return;
	r->step_high = r->live;
	if (r->live > r->peak) {
		r->peak = r->live;
		r->peak_key = key;
		r->peak_number++;
	}
}

static inline void release(struct replay *r, struct stream *s, uint32_t stack, struct amount a)
{
	struct totals *t = &r->totals[stack];
	keep_peak(r, t);
	t->live_bytes -= a.bytes;
	t->live_blocks -= a.count;
	s->live_bytes -= a.bytes;
	r->live -= a.bytes;
}

/* ---- mappings ----------------------------------------------------------------------------- */

static inline bool is_memory(uint32_t category)
{
	return category == LODE_MAP_ANONYMOUS || category == LODE_MAP_BREAK;
}

static inline struct category_total *category_total(struct replay *r, uint32_t category)
{
	struct category_total *c =
		&r->categories[category <= LODE_MAP_ARENA ? category : LODE_MAP_FILE];
	if (c->stamp != r->peak_number) {
		c->at_peak = c->live;
		c->stamp = r->peak_number;
	}
	return c;
}

#endif
