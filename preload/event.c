/* The funnel.  Contract and ordering invariants in event.h; encoding in format.h. */
#include "event.h"

#include "clock.h"
#include "lane.h"
#include "lode/varint.h"
#include "segment.h"

static LODE_COLD void lose_event(void)
{
	if (lode_log)
		__atomic_fetch_add(&lode_log->lost_events, 1, __ATOMIC_RELAXED);
}

static LODE_COLD void lose_sample(void)
{
	if (lode_log)
		__atomic_fetch_add(&lode_log->lost_samples, 1, __ATOMIC_RELAXED);
}

void lode_event_lost(void)
{
	lose_event();
}

static inline uint8_t *put_time(struct lode_lane *l, uint8_t *p, uint64_t time)
{
	/* a core whose TSC lags by a tick: the lane stays monotonic */
	uint64_t delta = time > l->last_time ? time - l->last_time : 0;
	l->last_time += delta;
	return lode_varint_put(p, delta);
}

static inline uint8_t *put_address(struct lode_lane *l, uint8_t *p, uint64_t address)
{
	uint64_t rotated = lode_rotr4(address);
	p = lode_varint_put(p, lode_zigzag((int64_t)(rotated - l->last_address)));
	l->last_address = rotated;
	return p;
}

/* An allocation at an explicit time.  Cost: about 20 instructions when the site is known. */
static inline void put_alloc(struct lode_thread *t, uint32_t how, uint64_t address, uint64_t bytes, uint32_t stack,
			     uint64_t time)
{
	struct lode_lane *l = &t->lane;
	if (unlikely(!lode_lane_room(t))) {
		lose_event();
		return;
	}
	uint8_t *p = l->at;
	uint32_t slot = LODE_SITE_SLOT(stack, bytes, how);
	if (l->sites[slot].stack == stack && l->sites[slot].size == bytes && l->sites[slot].how == how) {
		*p++ = (uint8_t)(LODE_TAG_ALLOC_SITE | slot);
		p = put_time(l, p, time);
	} else {
		*p++ = LODE_TAG_ALLOC;
		p = put_time(l, p, time);
		p = lode_varint_put(p, how);
		p = lode_varint_put(p, stack);
		p = lode_varint_put(p, bytes);
		l->sites[slot].stack = stack;
		l->sites[slot].size = bytes;
		l->sites[slot].how = how;
	}
	p = put_address(l, p, address);
	l->addresses[LODE_ADDRESS_SLOT(address)] = address;
	lode_lane_commit(t, p);
}

void lode_event_alloc(struct lode_thread *t, uint32_t how, const void *block, size_t bytes, uint32_t stack)
{
	put_alloc(t, how, (uintptr_t)block, bytes, stack, lode_ticks_acquire());
}

void lode_event_alloc_at(struct lode_thread *t, uint32_t how, const void *block, size_t bytes, uint32_t stack,
			 uint64_t time)
{
	put_alloc(t, how, (uintptr_t)block, bytes, stack, time);
}

void lode_event_free(struct lode_thread *t, const void *block, uint64_t time)
{
	struct lode_lane *l = &t->lane;
	if (unlikely(!lode_lane_room(t))) {
		lose_event();
		return;
	}
	uint64_t address = (uintptr_t)block;
	uint32_t slot = LODE_ADDRESS_SLOT(address);
	uint8_t *p = l->at;
	if (l->addresses[slot] == address) {
		*p++ = (uint8_t)(LODE_TAG_FREE_SLOT | slot);
		p = put_time(l, p, time);
		l->last_address = lode_rotr4(address);
	} else {
		*p++ = LODE_TAG_FREE;
		p = put_time(l, p, time);
		p = put_address(l, p, address);
		l->addresses[slot] = address;
	}
	lode_lane_commit(t, p);
}

void lode_event_sample(struct lode_thread *t, uint32_t flags, uint64_t weight_ns, uint32_t stack)
{
	if (unlikely(!lode_lane_room(t))) {
		lose_sample();
		return;
	}
	uint8_t *p = t->lane.at;
	*p++ = LODE_TAG_SAMPLE;
	p = put_time(&t->lane, p, lode_ticks_release());
	p = lode_varint_put(p, flags);
	p = lode_varint_put(p, weight_ns);
	p = lode_varint_put(p, stack);
	lode_lane_commit(t, p);
}

/* ---- long records -------------------------------------------------------------------------- */

/* A long record being built: `varints` first, then byte strings, in the order of LODE_RECORDS. */
struct long_record {
	unsigned id;
	bool is_timed;
	uint64_t time;
	unsigned varint_count, bytes_count;
	uint64_t varints[8];
	struct lode_event_bytes bytes[6];
};

static uint64_t record_bytes(const struct long_record *r, uint64_t delta)
{
	uint8_t sink[LODE_VARINT_MAX];
	uint64_t n = r->is_timed ? (uint64_t)(lode_varint_put(sink, delta) - sink) : 0;
	for (unsigned i = 0; i < r->varint_count; i++)
		n += (uint64_t)(lode_varint_put(sink, r->varints[i]) - sink);
	for (unsigned i = 0; i < r->bytes_count; i++)
		n += (uint64_t)(lode_varint_put(sink, r->bytes[i].bytes) - sink) + r->bytes[i].bytes;
	return n;
}

/* Context: the thread busy, or its signal handler. */
static bool put_record(struct lode_thread *t, const struct long_record *r)
{
	uint64_t bound = 16 + LODE_VARINT_MAX * (1u + r->varint_count + r->bytes_count);
	for (unsigned i = 0; i < r->bytes_count; i++)
		bound += r->bytes[i].bytes;
	if (bound > LODE_SEGMENT_PAYLOAD_BYTES || !lode_lane_room_slow(t, (uint32_t)bound + LODE_LANE_SLACK))
		return false;
	struct lode_lane *l = &t->lane;
	uint64_t delta = r->is_timed && r->time > l->last_time ? r->time - l->last_time : 0;
	uint8_t *p = l->at;
	*p++ = (uint8_t)(LODE_TAG_LONG | r->id);
	p = lode_varint_put(p, record_bytes(r, delta));
	if (r->is_timed)
		p = lode_varint_put(p, delta);
	l->last_time += delta;
	for (unsigned i = 0; i < r->varint_count; i++)
		p = lode_varint_put(p, r->varints[i]);
	for (unsigned i = 0; i < r->bytes_count; i++) {
		p = lode_varint_put(p, r->bytes[i].bytes);
		const uint8_t *from = r->bytes[i].data;
		for (size_t k = 0; k < r->bytes[i].bytes; k++)
			*p++ = from[k];
	}
	l->segment->flags |= LODE_HAS_DEFINITIONS;
	lode_lane_commit(t, p);
	return true;
}

/* For callers that may or may not be inside the agent already. */
static bool put_record_anywhere(const struct long_record *r)
{
	struct lode_thread *t = lode_self;
	if ((uintptr_t)t <= 1)
		return false;
	uint32_t was_busy = t->busy;
	t->busy = 2;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	bool done = put_record(t, r);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	t->busy = was_busy;
	return done;
}

static struct lode_event_bytes text(const char *s)
{
	size_t n = 0;
	while (s && s[n])
		n++;
	return (struct lode_event_bytes){s, n};
}

void lode_event_map(struct lode_thread *t, uint32_t category, uintptr_t address, size_t bytes, uint32_t stack)
{
	struct long_record r = {.id = LODE_RECORD_MAP, .is_timed = true, .time = lode_ticks_acquire(),
				.varint_count = 4, .varints = {category, address, bytes, stack}};
	if (!put_record(t, &r))
		lose_event();
}

void lode_event_unmap(struct lode_thread *t, uintptr_t address, size_t bytes, uint64_t time)
{
	struct long_record r = {.id = LODE_RECORD_UNMAP, .is_timed = true, .time = time,
				.varint_count = 2, .varints = {address, bytes}};
	if (!put_record(t, &r))
		lose_event();
}

void lode_event_module(uint32_t id, uint32_t epoch, uintptr_t bias, uintptr_t start, uintptr_t end,
		       struct lode_event_bytes build_id, const char *path)
{
	struct long_record r = {.id = LODE_RECORD_MODULE, .is_timed = true, .time = lode_ticks_release(),
				.varint_count = 5, .varints = {id, epoch, bias, start, end},
				.bytes_count = 2, .bytes = {build_id, text(path)}};
	put_record_anywhere(&r);
}

void lode_event_module_gone(uint32_t id)
{
	struct long_record r = {.id = LODE_RECORD_MODULE_GONE, .is_timed = true, .time = lode_ticks_release(),
				.varint_count = 1, .varints = {id}};
	put_record_anywhere(&r);
}

bool lode_event_code(uint32_t id, uint32_t first_line, uint32_t python_version, struct lode_event_bytes file,
		     struct lode_event_bytes name, struct lode_event_bytes line_table)
{
	struct long_record r = {.id = LODE_RECORD_CODE, .varint_count = 3, .varints = {id, first_line, python_version},
				.bytes_count = 3, .bytes = {file, name, line_table}};
	return put_record_anywhere(&r);
}

void lode_event_python(uint32_t hexversion, const char *build)
{
	struct long_record r = {.id = LODE_RECORD_PYTHON, .is_timed = true, .time = lode_ticks_release(),
				.varint_count = 1, .varints = {hexversion}, .bytes_count = 1, .bytes = {text(build)}};
	put_record_anywhere(&r);
}

void lode_event_notice(uint32_t severity, const char *words, size_t bytes)
{
	struct long_record r = {.id = LODE_RECORD_NOTICE, .is_timed = true, .time = lode_ticks_release(),
				.varint_count = 1, .varints = {severity}, .bytes_count = 1, .bytes = {{words, bytes}}};
	put_record_anywhere(&r);
}

void lode_event_mark(const char *name)
{
	struct long_record r = {.id = LODE_RECORD_MARK, .is_timed = true, .time = lode_ticks_release(),
				.bytes_count = 1, .bytes = {text(name)}};
	if (!put_record_anywhere(&r))
		lose_event();
}

void lode_event_thread(int tid, const char *name)
{
	struct long_record r = {.id = LODE_RECORD_THREAD, .is_timed = true, .time = lode_ticks_release(),
				.varint_count = 1, .varints = {(uint64_t)tid}, .bytes_count = 1, .bytes = {text(name)}};
	put_record_anywhere(&r);
}

void lode_event_thread_exit(int tid, uint64_t cpu_ns)
{
	struct long_record r = {.id = LODE_RECORD_THREAD_EXIT, .is_timed = true, .time = lode_ticks_release(),
				.varint_count = 2, .varints = {(uint64_t)tid, cpu_ns}};
	put_record_anywhere(&r);
}

void lode_event_fork(int child)
{
	struct long_record r = {.id = LODE_RECORD_FORK, .is_timed = true, .time = lode_ticks_release(),
				.varint_count = 1, .varints = {(uint64_t)child}};
	put_record_anywhere(&r);
}

void lode_event_exec(const char *path)
{
	struct long_record r = {.id = LODE_RECORD_EXEC, .is_timed = true, .time = lode_ticks_release(),
				.bytes_count = 1, .bytes = {text(path)}};
	put_record_anywhere(&r);
}

void lode_event_process(const struct lode_event_process *e)
{
	struct long_record r = {.id = LODE_RECORD_PROCESS, .is_timed = true, .time = lode_ticks_release(),
				.varint_count = 6,
				.varints = {(uint64_t)e->pid, (uint64_t)e->parent_pid, e->parent_stream, e->begin,
					    e->realtime_ns, sizeof(void *)},
				.bytes_count = 5,
				.bytes = {text(LODE_VERSION), text(e->options), text(e->executable), e->command_line,
					  text(e->directory)}};
	put_record_anywhere(&r);
}
