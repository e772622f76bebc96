/* Moments of a replay and what is noted at them: values by stack, leaks, totals, the timeline.
 * Contract in replay_state.h; called by replay.c between events. */
#include <stdlib.h>
#include <string.h>

#include "lib/error.h"
#include "replay_state.h"

#define POINTS 1000u /* steps of the timeline */

static int64_t signed_of(uint64_t v)
{
	return (int64_t)v;
}

static int64_t count_of(const struct replay *r, uint32_t stack, uint64_t count)
{
	uint64_t unit = r->streams[r->keys[stack].stream].count_unit;
	return unit == 1 ? signed_of(count)
			 : (signed_of(count) + (int64_t)unit / 2) / (int64_t)unit;
}

/* Stacks that appeared since the last call get their place in the result. */
static void extend_result(struct replay *r)
{
	struct lode_replay_result *out = r->result;
	if (out->stack_count == r->stack_count)
		return;
	out->stacks = lode_realloc(out->stacks, r->stack_count * sizeof(*out->stacks));
	for (size_t i = out->stack_count; i < r->stack_count; i++) {
		const struct key *k = &r->keys[i];
		out->stacks[i] = (struct lode_stack){
			.process = k->stream, .thread = k->thread, .node = k->node};
	}
	out->stack_count = r->stack_count;
}

/* What is counted is counted from here. */
static void begin_range(struct replay *r)
{
	for (size_t i = 0; i < r->stack_count; i++) {
		struct totals *t = &r->totals[i];
		t->allocated = t->allocations = t->temporary = 0;
		r->keys[i].cpu_ns = r->keys[i].samples = 0;
	}
	for (size_t i = 0; i < r->info->process_count; i++) {
		r->streams[i].peak_bytes = r->streams[i].live_bytes;
		r->streams[i].cpu_ns = 0;
	}
	for (size_t i = 0; i < r->thread_count; i++)
		r->threads[i].cpu_ns = 0;
	for (size_t i = 0; i <= LODE_MAP_ARENA; i++)
		r->categories[i].most = r->categories[i].live;
	r->stats = (struct lode_profile_stats){0};
	r->result->has_samples = false;
	r->peak = r->step_high = r->live;
	r->peak_key = r->options->from;
	r->peak_number++;
	r->step_cpu = 0;
}

static void end_step(struct replay *r, uint32_t index)
{
	struct lode_replay_result *out = r->result;
	uint64_t span = r->to_ns - r->from_ns;
	out->points[index] = (struct lode_profile_point){
		.time_ns = r->from_ns + (uint64_t)((double)span * (index + 1) / POINTS),
		.live_bytes = r->step_high,
		.cpu_ns = r->step_cpu,
	};
	out->point_count = index + 1;
	r->step_high = r->live;
	r->step_cpu = 0;
}

static void end_tenth(struct replay *r, uint32_t index)
{
	r->growth[index] = lode_alloc(r->stack_count * sizeof(uint64_t));
	r->growth_count[index] = r->stack_count;
	for (size_t i = 0; i < r->stack_count; i++)
		r->growth[index][i] = r->totals[i].live_bytes + r->keys[i].unfreed_bytes;
}

static void note_leak(struct replay *r, uint32_t stack, struct amount a, uint64_t birth)
{
	struct lode_stack *out = &r->result->stacks[stack];
	if (birth <= r->options->from && r->options->from)
		return;
	uint64_t ns = lode_replay_ns(r->info, birth), span = r->to_ns - r->from_ns;
	double part = span && ns > r->from_ns ? (double)(ns - r->from_ns) / (double)span : 0;
	unsigned tenth = part >= 1 ? LODE_TENTHS - 1 : (unsigned)(part * LODE_TENTHS);
	if (!out->values[LODE_MEASURE_LEAKED_BLOCKS] || ns < out->oldest_ns)
		out->oldest_ns = ns;
	if (ns > out->youngest_ns)
		out->youngest_ns = ns;
	out->values[LODE_MEASURE_LEAKED] += signed_of(a.bytes);
	out->values[LODE_MEASURE_LEAKED_BLOCKS] += signed_of(a.count);
	out->survivors[tenth] += a.count;
}

struct leak_visit {
	struct replay *r;
	struct stream *stream;
};

static void note_mapping_leak(const struct lode_mapping *m, void *data)
{
	const struct leak_visit *v = data;
	if (is_memory(m->category))
		note_leak(
			v->r, m->stack,
			(struct amount){m->end - m->start, m->is_last ? v->stream->count_unit : 0},
			m->birth);
}

static void note_leaks(struct replay *r)
{
	for (size_t i = 0; i < r->info->process_count; i++) {
		struct stream *s = &r->streams[i];
		for (size_t k = 0; s->live.slots && k <= s->live.mask; k++) {
			const struct lode_live_block *b = &s->live.slots[k];
			if (b->address)
				note_leak(r, b->stack, amount_of(s, b->size), b->birth);
		}
		struct leak_visit visit = {r, s};
		lode_mappings_each(&s->mappings, note_mapping_leak, &visit);
	}
	for (size_t i = 0; i < r->result->stack_count; i++) {
		struct lode_stack *out = &r->result->stacks[i];
		int64_t *blocks = &out->values[LODE_MEASURE_LEAKED_BLOCKS];
		*blocks = count_of(r, (uint32_t)i, (uint64_t)*blocks);
		for (unsigned t = 0; t < LODE_TENTHS; t++)
			out->survivors[t] = (uint64_t)count_of(r, (uint32_t)i, out->survivors[t]);
	}
}

static void note_stack(struct replay *r, uint32_t i)
{
	struct totals *t = &r->totals[i];
	int64_t *v = r->result->stacks[i].values;
	keep_peak(r, t);
	v[LODE_MEASURE_CPU] = signed_of(r->keys[i].cpu_ns);
	v[LODE_MEASURE_SAMPLES] = signed_of(r->keys[i].samples);
	v[LODE_MEASURE_ALLOCATED] = signed_of(t->allocated);
	v[LODE_MEASURE_ALLOCATIONS] = count_of(r, i, t->allocations);
	v[LODE_MEASURE_PEAK] = signed_of(t->peak_bytes);
	v[LODE_MEASURE_PEAK_BLOCKS] = count_of(r, i, t->peak_blocks);
	v[LODE_MEASURE_TEMPORARY] = count_of(r, i, t->temporary);
	if (r->options->is_at_peak) {
		v[LODE_MEASURE_LIVE] = v[LODE_MEASURE_PEAK];
		v[LODE_MEASURE_LIVE_BLOCKS] = v[LODE_MEASURE_PEAK_BLOCKS];
	}
	for (unsigned k = 0; k < LODE_TENTHS; k++)
		if (i < r->growth_count[k])
			r->result->stacks[i].growth[k] = r->growth[k][i];
}

static void note_stats(struct replay *r)
{
	struct lode_profile_stats *s = &r->result->stats;
	*s = r->stats;
	for (unsigned i = 0; i < LODE_PROFILE_SIZES; i++)
		s->allocations += s->size_count[i];
	for (uint32_t c = 0; c <= LODE_MAP_ARENA; c++)
		(void)category_total(r, c);
	s->reserved_bytes = r->categories[LODE_MAP_RESERVED].most;
	s->file_bytes = r->categories[LODE_MAP_FILE].most;
	s->arena_bytes = r->categories[LODE_MAP_ARENA].most;
	s->reserved_at_peak = r->categories[LODE_MAP_RESERVED].at_peak;
	s->file_at_peak = r->categories[LODE_MAP_FILE].at_peak;
	s->arena_at_peak = r->categories[LODE_MAP_ARENA].at_peak;
	s->stacks = r->stack_count;
}

static void end_range(struct replay *r)
{
	struct lode_replay_result *out = r->result;
	extend_result(r);
	for (uint32_t i = 0; i < r->stack_count; i++)
		note_stack(r, i);
	note_leaks(r);
	note_stats(r);
	out->peak_bytes = r->peak;
	out->peak_key = r->peak_key;
	out->has_memory_events = out->stats.allocations || out->stats.maps || out->stats.frees;
	for (size_t i = 0; i < r->info->process_count; i++)
		out->processes[i] = (struct lode_replay_process){r->streams[i].cpu_ns,
								 r->streams[i].peak_bytes};
	out->thread_count = r->info->thread_count;
	out->thread_cpu_ns = lode_alloc_zeroed(out->thread_count, sizeof(uint64_t));
	for (size_t i = 0; i < out->thread_count && i < r->thread_count; i++)
		out->thread_cpu_ns[i] = r->threads[i].cpu_ns;
	r->peak = UINT64_MAX; /* no peak after the range */
}

/* At the end means at each process' end: so that it is what leaked. */
static void note_live(struct replay *r)
{
	bool is_end = r->options->at == UINT64_MAX;
	extend_result(r);
	for (uint32_t i = 0; i < r->stack_count; i++) {
		const struct key *k = &r->keys[i];
		int64_t *v = r->result->stacks[i].values;
		v[LODE_MEASURE_LIVE] =
			signed_of(r->totals[i].live_bytes + (is_end ? k->unfreed_bytes : 0));
		v[LODE_MEASURE_LIVE_BLOCKS] =
			count_of(r, i, r->totals[i].live_blocks + (is_end ? k->unfreed_blocks : 0));
	}
}

/* A process is over: what it had not freed is free now, for the sums over processes. */
static void end_process(struct replay *r, uint32_t index)
{
	struct stream *s = &r->streams[index];
	if (!s->is_ready)
		return;
	for (uint32_t i = s->first_stack; i != NONE; i = r->keys[i].next) {
		struct totals *t = &r->totals[i];
		keep_peak(r, t);
		r->keys[i].unfreed_bytes += t->live_bytes;
		r->keys[i].unfreed_blocks += t->live_blocks;
		t->live_bytes = t->live_blocks = 0;
	}
	r->live -= s->live_bytes;
	s->live_bytes = 0;
}

void lode_range_pass(struct replay *r, const struct boundary *b)
{
	switch ((enum boundary_kind)b->kind) {
	case BOUNDARY_GONE:
		end_process(r, b->index);
		break;
	case BOUNDARY_FROM:
		begin_range(r);
		break;
	case BOUNDARY_STEP:
		end_step(r, b->index);
		break;
	case BOUNDARY_TENTH:
		end_tenth(r, b->index);
		break;
	case BOUNDARY_TO:
		end_range(r);
		break;
	case BOUNDARY_AT:
		note_live(r);
		break;
	}
}

static int by_key_and_kind(const void *a, const void *b)
{
	const struct boundary *x = a, *y = b;
	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->kind != y->kind ? (x->kind < y->kind ? -1 : 1)
				  : (x->index > y->index) - (x->index < y->index);
}

static void add_boundary(struct replay *r, uint64_t key, enum boundary_kind kind, uint32_t index)
{
	r->boundaries[r->boundary_count++] = (struct boundary){key, kind, index};
}

/* Equal parts of the range end where `part` of `parts` of its time has passed; the last with the
 * range. */
static uint64_t part_key(const struct replay *r, unsigned part, unsigned parts)
{
	uint64_t span = r->to_ns - r->from_ns;
	if (part >= parts)
		return r->options->to;
	uint64_t key =
		lode_replay_key(r->info, r->from_ns + (uint64_t)((double)span * part / parts));
	return key < r->options->from ? r->options->from
	       : key > r->options->to ? r->options->to
				      : key;
}

/* Its last event, or its end as the recorder saw it. */
static uint64_t end_key(const struct replay *r, uint32_t process)
{
	const struct lode_info_process *p = &r->info->processes[process];
	uint64_t last = lode_replay_key_of_ticks(r->info, process, p->end_ticks) + 1;
	uint64_t seen = lode_replay_key(r->info, p->end_ns);
	return seen > last ? seen : last;
}

void lode_range_plan(struct replay *r)
{
	const struct lode_replay_options *o = r->options;
	struct lode_replay_result *out = r->result;
	r->from_ns = o->from ? lode_replay_ns(r->info, o->from) : 0;
	r->to_ns = o->to == UINT64_MAX ? r->info->duration_ns : lode_replay_ns(r->info, o->to);
	if (r->to_ns < r->from_ns)
		r->to_ns = r->from_ns;
	out->from_ns = r->from_ns;
	out->to_ns = r->to_ns;
	r->boundaries = lode_alloc((POINTS + LODE_TENTHS + 3 + r->info->process_count) *
				   sizeof(*r->boundaries));
	for (size_t i = 0; i < r->info->process_count; i++) {
		const struct lode_info_process *p = &r->info->processes[i];
		if (p->is_gone && p->end_ns < r->info->duration_ns)
			add_boundary(r, end_key(r, (uint32_t)i), BOUNDARY_GONE, (uint32_t)i);
	}
	if (o->from)
		add_boundary(r, o->from, BOUNDARY_FROM, 0);
	for (uint32_t i = 0; i < LODE_TENTHS; i++)
		add_boundary(r, part_key(r, i + 1, LODE_TENTHS), BOUNDARY_TENTH, i);
	if (o->want_timeline && r->to_ns > r->from_ns) {
		out->points = lode_alloc(POINTS * sizeof(*out->points));
		for (uint32_t i = 0; i < POINTS; i++)
			add_boundary(r, part_key(r, i + 1, POINTS), BOUNDARY_STEP, i);
	}
	add_boundary(r, o->to, BOUNDARY_TO, 0);
	if (!o->is_at_peak)
		add_boundary(r, o->at, BOUNDARY_AT, 0);
	qsort(r->boundaries, r->boundary_count, sizeof(*r->boundaries), by_key_and_kind);
	r->peak = UINT64_MAX; /* none before the range */
	if (!o->from)	      /* nothing lies before it: not even an event at time 0 */
		begin_range(r);
}

/* Resident memory of the chosen processes that run at each step: the last value that was noted. */
void lode_range_add_rss(struct replay *r)
{
	const struct lode_info *info = r->info;
	struct lode_replay_result *out = r->result;
	uint64_t *last = lode_alloc_zeroed(info->process_count, sizeof(*last));
	struct lode_map process_of_pid = {0};
	size_t next = 0;
	for (size_t i = 0; i < info->process_count; i++)
		if (lode_replay_is_chosen(r, (uint32_t)i))
			*lode_map_put(&process_of_pid, (uint64_t)info->processes[i].pid, 0) =
				(uint32_t)i;
	for (size_t i = 0; i < out->point_count; i++) {
		struct lode_profile_point *point = &out->points[i];
		for (; next < info->rss_count && info->rss[next].time_ns <= point->time_ns;
		     next++) {
			uint32_t process =
				lode_map_get(&process_of_pid, (uint64_t)info->rss[next].pid);
			if (process != LODE_MAP_NONE)
				last[process] = info->rss[next].bytes;
		}
		for (size_t k = 0; k < info->process_count; k++)
			if (last[k] && point->time_ns <= info->processes[k].end_ns)
				point->rss_bytes += last[k];
		if (point->rss_bytes > out->stats.rss_peak_bytes)
			out->stats.rss_peak_bytes = point->rss_bytes;
	}
	lode_map_release(&process_of_pid);
	free(last);
}
