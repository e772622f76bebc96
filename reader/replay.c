/* Events in order of time to values by stack.  Contract in replay.h; called by load.c.
 *
 * Lanes are merged by a heap of their next keys; a lane runs on its own until the next other lane's
 * (or block's, or boundary's) key.  Boundaries are the moments at which something is noted
 * (replay_range.c): the range's start and end, the chosen moment, tenths, steps of the timeline;
 * the events' path knows nothing of them.
 *
 * The peak in one pass: every new peak gets a number; before a stack's live value changes, if its
 * stamp is older than the number, the live value is what it had at the peak, and is kept.  What was
 * never touched since has its live value. */
#include "replay.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/error.h"
#include "replay_state.h"

#define OPEN_BYTES_MAX (UINT64_C(4) << 30) /* open at once; no real recording comes near */

/* ---- time --------------------------------------------------------------------------------- */

static uint64_t saturated_key(uint64_t time)
{
	return time >= UINT64_MAX / 2 ? UINT64_MAX - 1 : 2 * time;
}

uint64_t lode_replay_key_of_ticks(const struct lode_info *info, uint32_t process, uint64_t ticks)
{
	if (info->has_common_clock)
		return saturated_key(ticks);
	return saturated_key(lode_clock_ns(&info->processes[process].clock, ticks));
}

uint64_t lode_replay_key(const struct lode_info *info, uint64_t ns)
{
	ns += info->origin_ns;
	return saturated_key(info->has_common_clock ? lode_clock_ticks(&info->clock, ns) : ns) + 1;
}

uint64_t lode_replay_ns(const struct lode_info *info, uint64_t key)
{
	uint64_t ns = info->has_common_clock ? lode_clock_ns(&info->clock, key >> 1) : key >> 1;
	return ns > info->origin_ns ? ns - info->origin_ns : 0;
}

/* ---- stacks ------------------------------------------------------------------------------- */

static uint32_t new_stack(struct replay *r, uint32_t stream, uint32_t thread, uint32_t node)
{
	if (r->stack_count == r->stack_capacity) {
		size_t old = r->stack_capacity;
		r->stack_capacity = old ? 2 * old : 1024;
		struct totals *totals = aligned_alloc(64, r->stack_capacity * sizeof(*totals));
		if (!totals)
			totals = lode_alloc(SIZE_MAX / 2); /* says so and ends */
		if (old)
			memcpy(totals, r->totals, old * sizeof(*totals));
		free(r->totals);
		r->totals = totals;
		r->keys = lode_realloc(r->keys, r->stack_capacity * sizeof(*r->keys));
	}
	uint32_t i = (uint32_t)r->stack_count++;
	r->totals[i] = (struct totals){.stamp = r->peak_number};
	r->keys[i] = (struct key){.stream = stream,
				  .thread = thread,
				  .node = node,
				  .next = r->streams[stream].first_stack};
	r->streams[stream].first_stack = i;
	return i;
}

static __attribute__((noinline)) uint32_t stack_slow(struct replay *r, const struct lane *l,
						     uint32_t node)
{
	struct stream *s = &r->streams[l->stream];
	if (node >= r->result->nodes[l->stream].count)
		node = 0;
	if (!r->options->split_threads) {
		if (!s->stack_of_node[node])
			s->stack_of_node[node] = new_stack(r, l->stream, NONE, node) + 1;
		return s->stack_of_node[node] - 1;
	}
	uint32_t *at = lode_map_put(&s->stack_of_key, (uint64_t)l->thread << 32 | node, NONE);
	if (*at == NONE)
		*at = new_stack(r, l->stream, l->thread, node);
	return *at;
}

static inline uint32_t stack_of(struct replay *r, const struct lane *l, uint32_t node)
{
	const struct stream *s = &r->streams[l->stream];
	if (__builtin_expect(s->stack_of_node && node < r->result->nodes[l->stream].count, 1) &&
	    s->stack_of_node[node])
		return s->stack_of_node[node] - 1;
	return stack_slow(r, l, node);
}

/* ---- memory ------------------------------------------------------------------------------- */

static __attribute__((noinline)) void replace(struct replay *r, struct stream *s,
					      const struct lode_live_block *b)
{
	release(r, s, b->stack, amount_of(s, b->size));
	r->stats.replaced_blocks++;
}

static inline void apply_alloc(struct replay *r, struct lane *l, const struct lode_event *e)
{
	struct stream *s = &r->streams[l->stream];
	struct thread *t = &r->threads[l->thread];
	if (__builtin_expect(l->is_ignored || !e->address, 0))
		return;
	uint32_t stack = stack_of(r, l, e->stack);
	bool is_new;
	struct lode_live_block *b = lode_live_put(&s->live, e->address, &is_new);
	if (__builtin_expect(!is_new, 0))
		replace(r, s, b);
	b->size = e->size;
	b->birth = e->time;
	b->stack = stack;
	t->last_address = e->address;
	struct amount a = amount_of(s, e->size);
	acquire(r, s, stack, a, e->time);
	unsigned how = e->detail % LODE_PROFILE_HOWS;
	r->stats.how_count[how]++;
	r->stats.how_bytes[how] += e->size;
	r->stats.size_count[e->size ? 64 - __builtin_clzll(e->size) : 0]++;
}

static __attribute__((noinline)) void unmatched(struct replay *r, const struct stream *s)
{
	if (s->is_forked)
		r->stats.inherited_frees++;
	else if (!r->options->threads)
		r->stats.unmatched_frees++;
}

static inline void apply_free(struct replay *r, struct lane *l, const struct lode_event *e)
{
	struct stream *s = &r->streams[l->stream];
	struct thread *t = &r->threads[l->thread];
	uint64_t last = t->last_address;
	struct lode_live_block b;
	t->last_address = 0;
	r->stats.frees++;
	if (__builtin_expect(!e->address || !lode_live_take(&s->live, e->address, &b), 0)) {
		unmatched(r, s);
		return;
	}
	struct amount a = amount_of(s, b.size);
	release(r, s, b.stack, a);
	if (last == e->address)
		r->totals[b.stack].temporary += a.count;
}

static void apply_sample(struct replay *r, struct lane *l, const struct lode_event *e)
{
	if (l->is_ignored)
		return;
	uint32_t stack = stack_of(r, l, e->stack); /* may move the array: first */
	struct key *k = &r->keys[stack];
	bool is_sample = !(e->detail & LODE_SAMPLE_RESIDUE);
	k->cpu_ns += e->weight_ns;
	k->samples += is_sample;
	r->threads[l->thread].cpu_ns += e->weight_ns;
	r->streams[l->stream].cpu_ns += e->weight_ns;
	r->step_cpu += e->weight_ns;
	r->stats.samples += is_sample;
	r->stats.residues += !is_sample;
	r->stats.late_samples += !!(e->detail & LODE_SAMPLE_LATE);
	r->result->has_samples = true;
}

/* ---- mappings ----------------------------------------------------------------------------- */

static void cut(struct replay *r, struct lane *l, uint64_t start, uint64_t end)
{
	struct stream *s = &r->streams[l->stream];
	struct lode_mapping piece;
	while (lode_mappings_cut(&s->mappings, start, end, &piece)) {
		uint64_t bytes = piece.end - piece.start;
		r->threads[l->thread].unmapped_category = piece.category;
		if (is_memory(piece.category))
			release(r, s, piece.stack,
				(struct amount){bytes, piece.is_last ? s->count_unit : 0});
		else
			category_total(r, piece.category)->live -= bytes;
	}
}

static void apply_map(struct replay *r, struct lane *l, const struct lode_event *e)
{
	struct lode_fields f = lode_event_fields(e);
	struct stream *s = &r->streams[l->stream];
	struct lode_mapping m = {.birth = e->time};
	m.category = (uint32_t)lode_field_number(&f);
	m.start = lode_field_number(&f);
	uint64_t bytes = lode_field_number(&f), node = lode_field_number(&f);
	m.end = m.start + bytes;
	if (f.is_short || m.end <= m.start || l->is_ignored)
		return;
	uint32_t before = r->threads[l->thread].unmapped_category;
	cut(r, l, m.start, m.end);
	if (m.category == LODE_MAP_REMAPPED)
		m.category = before;
	m.stack = stack_of(r, l, node > UINT32_MAX ? 0 : (uint32_t)node);
	lode_mappings_add(&s->mappings, &m);
	r->stats.maps++;
	r->threads[l->thread].last_address = m.start;
	if (is_memory(m.category)) {
		acquire(r, s, m.stack, (struct amount){bytes, s->count_unit}, e->time);
		r->stats.mapped_count++;
		r->stats.mapped_bytes += bytes;
		return;
	}
	struct category_total *c = category_total(r, m.category);
	c->live += bytes;
	if (c->live > c->most)
		c->most = c->live;
}

static void apply_unmap(struct replay *r, struct lane *l, const struct lode_event *e)
{
	struct lode_fields f = lode_event_fields(e);
	uint64_t start = lode_field_number(&f), bytes = lode_field_number(&f);
	if (f.is_short || start + bytes < start)
		return;
	r->stats.unmaps++;
	r->threads[l->thread].last_address = 0;
	r->threads[l->thread].unmapped_category = LODE_MAP_ANONYMOUS;
	cut(r, l, start, start + bytes);
}

/* ---- lanes -------------------------------------------------------------------------------- */

static void set_thread(struct replay *r, struct lane *l, int64_t tid)
{
	l->thread = lode_info_thread(r->info, l->stream, tid);
	if (l->thread >= r->thread_count) {
		size_t n = r->info->thread_count + r->info->thread_count / 2;
		r->threads = lode_realloc(r->threads, n * sizeof(*r->threads));
		memset(r->threads + r->thread_count, 0,
		       (n - r->thread_count) * sizeof(*r->threads));
		r->thread_count = n;
	}
	/* threads that only a damaged block names were not there to be chosen */
	l->is_ignored = r->options->threads &&
			(l->thread >= r->chosen_thread_count || !r->options->threads[l->thread]);
}

static void apply_record(struct replay *r, struct lane *l, const struct lode_event *e)
{
	struct lode_fields f = lode_event_fields(e);
	if (e->detail == LODE_RECORD_MAP)
		apply_map(r, l, e);
	else if (e->detail == LODE_RECORD_UNMAP)
		apply_unmap(r, l, e);
	else if (e->detail == LODE_RECORD_LANE)
		set_thread(r, l, (int64_t)lode_field_number(&f));
}

static bool is_acquisition(const struct lode_event *e)
{
	return e->kind == LODE_EVENT_ALLOC ||
	       (e->kind == LODE_EVENT_RECORD && e->detail == LODE_RECORD_MAP);
}

/* Decodes the next batch; false at the lane's end. */
static bool refill(struct replay *r, struct lane *l)
{
	const struct stream *s = &r->streams[l->stream];
	l->at = 0;
	l->count = lode_lane_decode(&l->decoder, l->events, LODE_REPLAY_BATCH);
	for (size_t i = 0; i < l->count; i++) {
		struct lode_event *e = &l->events[i];
		if (e->kind <= LODE_EVENT_FREE)
			lode_live_prefetch(&s->live, e->address);
		uint64_t time = e->time;
		if (__builtin_expect(!r->info->has_common_clock, 0))
			time = lode_clock_ns(&r->info->processes[l->stream].clock, time);
		e->time = saturated_key(time) + is_acquisition(e);
	}
	return l->count;
}

/* Applies the lane's events up to and including the key `limit`; false at the lane's end. */
static bool run(struct replay *r, struct lane *l, uint64_t limit)
{
	do {
		while (l->at < l->count) {
			const struct lode_event *e = &l->events[l->at];
			if (e->time > limit)
				return true;
			l->at++;
			if (e->kind == LODE_EVENT_ALLOC)
				apply_alloc(r, l, e);
			else if (e->kind == LODE_EVENT_FREE)
				apply_free(r, l, e);
			else if (e->kind == LODE_EVENT_SAMPLE)
				apply_sample(r, l, e);
			else
				apply_record(r, l, e);
		}
	} while (refill(r, l));
	return false;
}

/* ---- the heap of lanes ---------------------------------------------------------------------- */

/* Among equal keys the older block goes first: any order would do, but it is always the same. */
static inline bool is_before(const struct entry *a, const struct entry *b)
{
	return a->key < b->key || (a->key == b->key && a->lane->sequence < b->lane->sequence);
}

static void sift_down(struct replay *r)
{
	struct entry *h = r->heap, moved = h[0];
	size_t at = 0, n = r->heap_count;
	for (;;) {
		size_t child = 2 * at + 1;
		if (child >= n)
			break;
		if (child + 1 < n && is_before(&h[child + 1], &h[child]))
			child++;
		if (!is_before(&h[child], &moved))
			break;
		h[at] = h[child];
		at = child;
	}
	h[at] = moved;
}

static void push(struct replay *r, struct lane *l)
{
	if (r->heap_count == r->heap_capacity) {
		r->heap_capacity = r->heap_capacity ? 2 * r->heap_capacity : 16;
		r->heap = lode_realloc(r->heap, r->heap_capacity * sizeof(*r->heap));
	}
	size_t at = r->heap_count++;
	struct entry entry = {l->events[0].time, l};
	for (; at && is_before(&entry, &r->heap[(at - 1) / 2]); at = (at - 1) / 2)
		r->heap[at] = r->heap[(at - 1) / 2];
	r->heap[at] = entry;
}

/* The key at which another lane's turn comes. */
static uint64_t second_key(const struct replay *r)
{
	uint64_t key = UINT64_MAX;
	for (size_t i = 1; i < 3 && i < r->heap_count; i++)
		if (r->heap[i].key < key)
			key = r->heap[i].key;
	return key;
}

static void close_lane(struct replay *r, struct lane *l)
{
	if (l->decoder.is_damaged)
		lode_source_damage(r->source, "a record cannot be understood");
	r->open_bytes -= l->payload.bytes;
	if (l->payload.capacity > 2 * LODE_SEGMENT_BYTES)
		lode_payload_release(&l->payload);
	l->next_free = r->free_lanes;
	r->free_lanes = l;
}

static void prepare_stream(struct replay *r, uint32_t stream)
{
	struct stream *s = &r->streams[stream];
	const struct lode_info_process *p = &r->info->processes[stream];
	if (s->is_ready)
		return;
	s->is_ready = true;
	s->first_stack = NONE;
	lode_live_init(&s->live);
	s->is_forked = p->begin == LODE_BEGIN_FORK;
	s->is_sampled = p->has_sampled_memory;
	s->sample_bytes = p->sample_bytes;
	s->count_unit = s->is_sampled ? COUNT_SCALE : 1;
	if (!r->options->split_threads)
		s->stack_of_node =
			lode_alloc_zeroed(r->result->nodes[stream].count, sizeof(uint32_t));
}

static void open_block(struct replay *r, const struct lode_block *b)
{
	struct lane *l = r->free_lanes;
	lode_progress_add(&r->progress, b->stored_bytes);
	if (r->open_bytes + b->raw_bytes > OPEN_BYTES_MAX) {
		lode_source_damage(r->source, "too many blocks at one time");
		return;
	}
	if (l)
		r->free_lanes = l->next_free;
	else
		l = lode_alloc_zeroed(1, sizeof(*l));
	if (lode_source_read(r->source, b, &l->payload)) {
		l->payload.bytes = 0;
		l->next_free = r->free_lanes;
		r->free_lanes = l;
		return;
	}
	l->sequence = b->sequence;
	l->stream = lode_info_process(r->info, b->stream, b->pid);
	prepare_stream(r, l->stream);
	lode_lane_init(&l->decoder, l->payload.data, l->payload.bytes);
	r->open_bytes += l->payload.bytes;
	bool has_events = refill(r, l);
	if (!has_events || l->events[0].kind != LODE_EVENT_RECORD ||
	    l->events[0].detail != LODE_RECORD_LANE)
		set_thread(r, l, 0);
	else
		l->thread = 0; /* the LANE record, applied first, sets it */
	if (has_events)
		push(r, l);
	else
		close_lane(r, l);
}

/* ---- the pass ----------------------------------------------------------------------------- */

static int by_first_key(const void *a, const void *b)
{
	const struct block_order *x = a, *y = b;
	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->block->sequence < y->block->sequence ? -1
						       : x->block->sequence > y->block->sequence;
}

bool lode_replay_is_chosen(const struct replay *r, uint32_t process)
{
	return process < r->info->process_count &&
	       (!r->options->processes || r->options->processes[process]);
}

static void order_blocks(struct replay *r)
{
	size_t n;
	uint64_t bytes = 0;
	const struct lode_block *blocks = lode_source_blocks(r->source, &n);
	r->blocks = lode_alloc((n + 1) * sizeof(*r->blocks));
	for (size_t i = 0; i < n; i++) {
		uint32_t process = lode_map_get(&r->info->process_of_stream, blocks[i].stream);
		if (blocks[i].payload != LODE_PAYLOAD_RECORDS || !blocks[i].stream ||
		    !lode_replay_is_chosen(r, process))
			continue;
		bytes += blocks[i].stored_bytes;
		r->blocks[r->block_count++] = (struct block_order){
			lode_replay_key_of_ticks(r->info, process, blocks[i].first_time),
			&blocks[i]};
	}
	if (r->block_count)
		qsort(r->blocks, r->block_count, sizeof(*r->blocks), by_first_key);
	lode_progress_start(&r->progress, "reading", bytes, r->options->has_progress);
}

/* Several blocks may hold the same nodes: one as taken while it grew, one later.  Ids far beyond
 * what there is are damage, not memory to be allocated. */
static void load_nodes(struct replay *r)
{
	struct lode_payload_buffer buffer = {0};
	size_t n;
	const struct lode_block *blocks = lode_source_blocks(r->source, &n);
	uint64_t *entries = lode_alloc_zeroed(r->info->process_count, sizeof(*entries));
	for (size_t i = 0; i < n; i++) {
		uint32_t process = lode_map_get(&r->info->process_of_stream, blocks[i].stream);
		if (blocks[i].payload == LODE_PAYLOAD_NODES && process != LODE_MAP_NONE)
			entries[process] += blocks[i].raw_bytes / sizeof(struct lode_node);
	}
	for (size_t i = 0; i < n; i++) {
		const struct lode_block *b = &blocks[i];
		uint32_t process = lode_map_get(&r->info->process_of_stream, b->stream);
		if (b->payload != LODE_PAYLOAD_NODES || !lode_replay_is_chosen(r, process))
			continue;
		struct lode_nodes *nodes = &r->result->nodes[process];
		uint64_t end = (uint64_t)b->node_base + b->raw_bytes / sizeof(struct lode_node);
		if (end > 4 * entries[process] + LODE_NODES_PER_SEGMENT || end >= UINT32_MAX) {
			lode_source_damage(r->source, "stacks are missing");
			continue;
		}
		if (lode_source_read(r->source, b, &buffer))
			continue;
		if (end > nodes->count) {
			nodes->nodes = lode_realloc(nodes->nodes, end * sizeof(struct lode_node));
			memset(nodes->nodes + nodes->count, 0,
			       (end - nodes->count) * sizeof(struct lode_node));
			nodes->count = (uint32_t)end;
		}
		for (uint32_t k = 0; k < buffer.bytes / sizeof(struct lode_node); k++) {
			struct lode_node node;
			memcpy(&node, buffer.data + k * sizeof(node), sizeof(node));
			if (node.value || node.parent)
				nodes->nodes[b->node_base + k] = node;
		}
	}
	free(entries);
	lode_payload_release(&buffer);
}

static void finish_nodes(struct replay *r)
{
	for (size_t i = 0; i < r->info->process_count; i++) {
		struct lode_nodes *nodes = &r->result->nodes[i];
		if (!nodes->count) {
			nodes->nodes = lode_alloc_zeroed(1, sizeof(struct lode_node));
			nodes->count = 1;
		}
		nodes->nodes[0] = (struct lode_node){0};
		for (uint32_t k = 1; k < nodes->count; k++)
			if (nodes->nodes[k].parent >= k)
				nodes->nodes[k].parent = 0;
	}
}

static void pass_boundaries(struct replay *r, uint64_t next_key)
{
	while (r->boundary_next < r->boundary_count &&
	       r->boundaries[r->boundary_next].key < next_key)
		lode_range_pass(r, &r->boundaries[r->boundary_next++]);
}

static void merge(struct replay *r)
{
	while (r->boundary_next < r->boundary_count) {
		while (r->block_next < r->block_count &&
		       (!r->heap_count || r->blocks[r->block_next].key <= r->heap[0].key))
			open_block(r, r->blocks[r->block_next++].block);
		if (!r->heap_count)
			break;
		pass_boundaries(r, r->heap[0].key);
		if (r->boundary_next == r->boundary_count)
			break;
		uint64_t limit = second_key(r);
		if (r->block_next < r->block_count && r->blocks[r->block_next].key < limit)
			limit = r->blocks[r->block_next].key;
		if (r->boundaries[r->boundary_next].key < limit)
			limit = r->boundaries[r->boundary_next].key;
		struct lane *l = r->heap[0].lane;
		if (run(r, l, limit)) {
			r->heap[0].key = l->events[l->at].time;
		} else {
			close_lane(r, l);
			r->heap[0] = r->heap[--r->heap_count];
		}
		if (r->heap_count)
			sift_down(r);
	}
	while (r->boundary_next < r->boundary_count)
		lode_range_pass(r, &r->boundaries[r->boundary_next++]);
}

static void release_lane(struct lane *l)
{
	lode_payload_release(&l->payload);
	free(l);
}

static void release_all(struct replay *r)
{
	for (size_t i = 0; i < r->heap_count; i++)
		release_lane(r->heap[i].lane);
	while (r->free_lanes) {
		struct lane *next = r->free_lanes->next_free;
		release_lane(r->free_lanes);
		r->free_lanes = next;
	}
	for (size_t i = 0; i < r->info->process_count; i++) {
		lode_live_release(&r->streams[i].live);
		lode_mappings_release(&r->streams[i].mappings);
		lode_map_release(&r->streams[i].stack_of_key);
		free(r->streams[i].stack_of_node);
	}
	for (unsigned i = 0; i < LODE_TENTHS; i++)
		free(r->growth[i]);
	free(r->streams);
	free(r->totals);
	free(r->keys);
	free(r->threads);
	free(r->heap);
	free(r->blocks);
	free(r->boundaries);
}

static double seconds_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void lode_replay(struct lode_info *info, struct lode_source *s, const struct lode_replay_options *o,
		 struct lode_replay_result *out)
{
	struct replay r = {.info = info, .source = s, .options = o, .result = out};
	double started = seconds_now();
	*out = (struct lode_replay_result){.process_count = info->process_count,
					   .thread_count = info->thread_count};
	out->processes = lode_alloc_zeroed(info->process_count, sizeof(*out->processes));
	out->nodes = lode_alloc_zeroed(info->process_count, sizeof(*out->nodes));
	r.streams = lode_alloc_zeroed(info->process_count, sizeof(*r.streams));
	r.chosen_thread_count = info->thread_count;
	r.thread_count = info->thread_count + 1;
	r.threads = lode_alloc_zeroed(r.thread_count, sizeof(*r.threads));
	load_nodes(&r);
	finish_nodes(&r);
	order_blocks(&r);
	lode_range_plan(&r);
	merge(&r);
	lode_progress_end(&r.progress);
	lode_range_add_rss(&r);
	out->at_ns = o->is_at_peak ? lode_replay_ns(info, out->peak_key)
				   : (o->at == UINT64_MAX ? info->duration_ns
							  : lode_replay_ns(info, o->at));
	out->peak_ns = lode_replay_ns(info, out->peak_key);
	out->stats.read_seconds = seconds_now() - started;
	release_all(&r);
}

void lode_replay_release(struct lode_replay_result *r)
{
	for (size_t i = 0; i < r->process_count; i++)
		free(r->nodes[i].nodes);
	free(r->nodes);
	free(r->processes);
	free(r->thread_cpu_ns);
	free(r->stacks);
	free(r->points);
	*r = (struct lode_replay_result){0};
}
