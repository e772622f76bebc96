/* link: preload/event.c preload/lane.c preload/segment.c preload/os_linux.c tests/unit/agent_mocks.c -Wl,--wrap=lode_os_map,--wrap=lode_os_map_file,--wrap=lode_os_open,--wrap=lode_os_allocate,--wrap=lode_os_fstat_identity,--wrap=lode_os_monotonic_ns */
/* Events to bytes and back: what event.c and lane.c write, read by a decoder that knows format.h only. */
#include "agent_mocks.h"

#include <sys/mman.h>

#include "clock.h"
#include "event.h"
#include "lane.h"
#include "lode/varint.h"
#include "segment.h"
#include "thread.h"

#define END_OF(s) ((uint8_t *)(s) + LODE_SEGMENT_BYTES)

static struct lode_thread self;
static const char *path;

/* ---- a decoder ------------------------------------------------------------------------------ */

/* A record as it was read.  kind: the tag of an allocation, a free or a sample, in its long form; else a record's id. */
struct record {
	unsigned kind;
	uint8_t tag;
	uint64_t time;
	uint64_t v[8]; /* allocation: address, how, stack, size; free: address; sample: flags, weight, stack */
	const uint8_t *s[5];
	uint64_t bytes[5];
};

struct decoder {
	const uint8_t *at, *end;
	uint64_t time, address;
	uint64_t addresses[LODE_SLOTS];
	struct {
		uint64_t how, stack, size;
	} sites[LODE_SLOTS];
};

/* Varints, then strings, of each long record: the comment above LODE_RECORDS. */
static const struct {
	unsigned varints, strings;
} shapes[] = {
	[LODE_RECORD_LANE] = {2, 0}, [LODE_RECORD_PROCESS] = {6, 5}, [LODE_RECORD_CLOCK] = {2, 0},
	[LODE_RECORD_MODULE] = {5, 2}, [LODE_RECORD_MODULE_GONE] = {1, 0}, [LODE_RECORD_CODE] = {3, 3},
	[LODE_RECORD_THREAD] = {1, 1}, [LODE_RECORD_THREAD_EXIT] = {2, 0}, [LODE_RECORD_NOTICE] = {1, 1},
	[LODE_RECORD_MARK] = {0, 1}, [LODE_RECORD_MAP] = {4, 0}, [LODE_RECORD_UNMAP] = {2, 0},
	[LODE_RECORD_PYTHON] = {1, 1}, [LODE_RECORD_RSS] = {2, 0}, [LODE_RECORD_EXIT] = {2, 0},
	[LODE_RECORD_LOST] = {4, 0}, [LODE_RECORD_FORK] = {1, 0}, [LODE_RECORD_EXEC] = {0, 1},
};

static bool is_timed(unsigned id)
{
#define X(number, name, timed) \
	if (id == number)      \
		return timed;
	LODE_RECORDS(X)
#undef X
	return false;
}

static uint64_t get(struct decoder *d)
{
	uint64_t v = 0;
	d->at = lode_varint_get(d->at, d->end, &v);
	assert_non_null(d->at);
	return v;
}

static void get_time(struct decoder *d, struct record *r)
{
	uint64_t before = d->time;
	r->time = d->time += get(d);
	assert_true(d->time >= before);
}

static void get_address(struct decoder *d, struct record *r)
{
	d->address += (uint64_t)lode_unzigzag(get(d));
	r->v[0] = d->address << 4 | d->address >> 60;
	d->addresses[LODE_ADDRESS_SLOT(r->v[0])] = r->v[0];
}

static void get_long(struct decoder *d, struct record *r)
{
	r->kind = r->tag;
	assert_in_range(r->kind, 1, sizeof shapes / sizeof shapes[0] - 1);
	uint64_t bytes = get(d);
	assert_true(bytes <= (uint64_t)(d->end - d->at));
	const uint8_t *end = d->at + bytes;
	if (is_timed(r->kind))
		get_time(d, r);
	for (unsigned i = 0; i < shapes[r->kind].varints; i++)
		r->v[i] = get(d);
	for (unsigned i = 0; i < shapes[r->kind].strings; i++) {
		r->bytes[i] = get(d);
		r->s[i] = d->at;
		assert_true(r->bytes[i] <= (uint64_t)(end - d->at));
		d->at += r->bytes[i];
	}
	assert_ptr_equal(d->at, end);
	if (r->kind == LODE_RECORD_LANE) {
		assert_true(r->v[1] >= d->time);
		*d = (struct decoder){.at = d->at, .end = d->end, .time = r->v[1]};
	}
	r->time = d->time;
}

static void get_alloc(struct decoder *d, struct record *r)
{
	unsigned site = r->tag & 63;
	r->kind = LODE_TAG_ALLOC;
	get_time(d, r);
	if (r->tag == LODE_TAG_ALLOC) {
		uint64_t how = get(d), stack = get(d), size = get(d);
		site = LODE_SITE_SLOT(stack, size, how);
		d->sites[site].how = how;
		d->sites[site].stack = stack;
		d->sites[site].size = size;
	}
	r->v[1] = d->sites[site].how;
	r->v[2] = d->sites[site].stack;
	r->v[3] = d->sites[site].size;
	get_address(d, r);
}

static void get_free(struct decoder *d, struct record *r)
{
	r->kind = LODE_TAG_FREE;
	get_time(d, r);
	if (r->tag == LODE_TAG_FREE) {
		get_address(d, r);
	} else {
		r->v[0] = d->addresses[r->tag & 63];
		d->address = r->v[0] >> 4 | r->v[0] << 60;
	}
}

static bool get_record(struct decoder *d, struct record *r)
{
	if (d->at == d->end)
		return false;
	*r = (struct record){.tag = *d->at++};
	if (r->tag < LODE_TAG_ALLOC_SITE) {
		get_long(d, r);
	} else if (r->tag < LODE_TAG_FREE_SLOT || r->tag == LODE_TAG_ALLOC) {
		get_alloc(d, r);
	} else if (r->tag <= LODE_TAG_FREE) {
		get_free(d, r);
	} else {
		assert_int_equal(r->tag, LODE_TAG_SAMPLE);
		r->kind = LODE_TAG_SAMPLE;
		get_time(d, r);
		for (unsigned i = 0; i < 3; i++)
			r->v[i] = get(d);
	}
	return true;
}

/* Reads segment after segment of the log, in the order of their claim; checks how each begins and ends. */
struct reader {
	struct decoder d;
	const struct lode_segment_header *s;
	uint32_t next;
	unsigned definitions;
	uint64_t last_time;
};

static void reader_check_end(const struct reader *r)
{
	if (!r->s)
		return;
	assert_int_equal(r->s->flags, r->definitions ? LODE_HAS_DEFINITIONS : 0);
	if (r->s->state == LODE_SEGMENT_FULL)
		assert_int_equal(r->s->last_time, r->last_time);
}

static bool reader_opens_next(struct reader *r)
{
	struct record lane, clock;
	reader_check_end(r);
	do {
		if (r->next >= lode_log->next_segment || !(r->s = agent_segment(path, r->next++)))
			return false;
	} while (r->s->committed == 0); /* a spare that nobody needed */
	assert_true(r->s->committed <= LODE_SEGMENT_PAYLOAD_BYTES);
	const uint8_t *p = (const uint8_t *)r->s + LODE_SEGMENT_HEADER_BYTES;
	r->d = (struct decoder){.at = p, .end = p + r->s->committed};
	r->definitions = 0;
	assert_true(get_record(&r->d, &lane) && lane.kind == LODE_RECORD_LANE);
	assert_true(get_record(&r->d, &clock) && clock.kind == LODE_RECORD_CLOCK);
	assert_int_equal(lane.v[0], self.tid);
	assert_int_equal(r->s->first_time, lane.v[1]);
	r->last_time = lane.v[1];
	return true;
}

static bool next_record(struct reader *r, struct record *record)
{
	while (!r->s || !get_record(&r->d, record))
		if (!reader_opens_next(r))
			return false;
	r->definitions += record->kind < LODE_TAG_ALLOC_SITE && record->kind != LODE_RECORD_LANE &&
			  record->kind != LODE_RECORD_CLOCK;
	r->last_time = record->time;
	return true;
}

static struct record only_record(void)
{
	struct reader reader = {0};
	struct record r, none;
	assert_true(next_record(&reader, &r));
	assert_false(next_record(&reader, &none));
	return r;
}

/* ---- the test's side ------------------------------------------------------------------------- */

static void begin(void)
{
	path = agent_path("log");
	assert_int_equal(lode_log_open(path), 0);
	self.tid = 17;
	lode_self = &self;
}

static void alloc(uint64_t address, uint64_t size, uint32_t stack, uint32_t how)
{
	lode_event_alloc(&self, how, (void *)(uintptr_t)address, size, stack);
}

static void release(uint64_t address)
{
	lode_event_free(&self, (void *)(uintptr_t)address, agent_clock);
}

static void assert_alloc(const struct record *r, uint64_t address, uint64_t size, uint32_t stack, uint32_t how)
{
	assert_int_equal(r->kind, LODE_TAG_ALLOC);
	assert_int_equal(r->v[0], address);
	assert_int_equal(r->v[1], how);
	assert_int_equal(r->v[2], stack);
	assert_int_equal(r->v[3], size);
}

static void assert_free(const struct record *r, uint64_t address)
{
	assert_int_equal(r->kind, LODE_TAG_FREE);
	assert_int_equal(r->v[0], address);
}

static void assert_text(const struct record *r, unsigned i, const char *text)
{
	assert_int_equal(r->bytes[i], strlen(text));
	assert_memory_equal(r->s[i], text, r->bytes[i]);
}

/* ---- events --------------------------------------------------------------------------------- */

static void a_block_takes_the_long_form_once_and_then_the_slots(void **state)
{
	(void)state;
	static const uint8_t tags[] = {LODE_TAG_ALLOC, LODE_TAG_FREE_SLOT, LODE_TAG_ALLOC_SITE, LODE_TAG_FREE};
	struct reader reader = {0};
	struct record r;
	begin();
	alloc(0x5000, 24, 7, LODE_HOW_MALLOC);
	release(0x5000);
	alloc(0x9000, 24, 7, LODE_HOW_MALLOC);
	release(0x12340);
	for (unsigned i = 0; i < 4; i++) {
		assert_true(next_record(&reader, &r));
		assert_int_equal(r.tag >= LODE_TAG_ALLOC ? r.tag : r.tag & 0xc0u, tags[i]);
		if (i % 2)
			assert_free(&r, i == 1 ? 0x5000 : 0x12340);
		else
			assert_alloc(&r, i ? 0x9000 : 0x5000, 24, 7, LODE_HOW_MALLOC);
	}
	assert_false(next_record(&reader, &r));
}

static void sites_that_share_a_slot_do_not_mix(void **state)
{
	(void)state;
	struct reader reader = {0};
	struct record r;
	uint32_t other = 2;
	while (LODE_SITE_SLOT(other, 24, 1) != LODE_SITE_SLOT(1, 24, 1))
		other++;
	begin();
	for (unsigned i = 0; i < 9; i++)
		alloc(0x1000, 24, i % 3 ? 1 : other, 1);
	for (unsigned i = 0; i < 9; i++) {
		assert_true(next_record(&reader, &r));
		assert_alloc(&r, 0x1000, 24, i % 3 ? 1 : other, 1);
	}
}

static void a_size_beyond_32_bits_is_not_taken_for_its_lower_half(void **state)
{
	(void)state;
	struct reader reader = {0};
	struct record r;
	begin();
	alloc(0x1000, 24, 1, 1);
	alloc(0x1000, UINT64_C(1) << 32 | 24, 1, 1);
	assert_true(next_record(&reader, &r) && next_record(&reader, &r));
	assert_alloc(&r, 0x1000, UINT64_C(1) << 32 | 24, 1, 1);
}

static void addresses_that_share_a_slot_do_not_mix(void **state)
{
	(void)state;
	struct reader reader = {0};
	struct record r;
	/* unaligned neighbours, and the same lower half */
	static const uint64_t addresses[] = {0x1230, 0x1231, 0x123f, 0x100000001230, 0x1230};
	begin();
	for (unsigned i = 0; i < 5; i++)
		release(addresses[i]);
	for (unsigned i = 0; i < 5; i++) {
		assert_true(next_record(&reader, &r));
		assert_free(&r, addresses[i]);
	}
}

static void a_sample_comes_back(void **state)
{
	(void)state;
	begin();
	agent_clock = 123456;
	lode_event_sample(&self, LODE_SAMPLE_GIL | LODE_SAMPLE_LATE, UINT64_MAX, UINT32_MAX);
	struct record r = only_record();
	assert_int_equal(r.kind, LODE_TAG_SAMPLE);
	assert_int_equal(r.time, 123456);
	assert_int_equal(r.v[0], LODE_SAMPLE_GIL | LODE_SAMPLE_LATE);
	assert_true(r.v[1] == UINT64_MAX);
	assert_int_equal(r.v[2], UINT32_MAX);
}

static void a_clock_that_steps_back_stands_still_in_the_lane(void **state)
{
	(void)state;
	static const uint64_t clocks[] = {1000, 999, 5, 1001}, times[] = {1000, 1000, 1000, 1001};
	struct reader reader = {0};
	struct record r;
	begin();
	for (unsigned i = 0; i < 4; i++) {
		agent_clock = clocks[i];
		if (i % 2)
			release(0x10);
		else
			lode_event_mark("m");
	}
	for (unsigned i = 0; i < 4; i++) {
		assert_true(next_record(&reader, &r));
		assert_int_equal(r.time, times[i]);
	}
}

static void a_lane_renamed_on_a_core_that_lags_stays_in_order(void **state)
{
	(void)state;
	struct reader reader = {0};
	struct record r;
	begin();
	agent_clock = 1000;
	release(0x10);
	agent_clock = 999;
	lode_lane_name(&self);
	while (next_record(&reader, &r))
		assert_true(r.time >= 1000);
}

static void a_renamed_lane_starts_with_empty_slots(void **state)
{
	(void)state;
	struct reader reader = {0};
	struct record r;
	begin();
	alloc(0x5000, 24, 7, 1);
	lode_lane_name(&self);
	alloc(0x5000, 24, 7, 1);
	for (unsigned i = 0; i < 4; i++)
		assert_true(next_record(&reader, &r));
	assert_int_equal(r.tag, LODE_TAG_ALLOC);
	assert_alloc(&r, 0x5000, 24, 7, 1);
}

/* ---- long records --------------------------------------------------------------------------- */

static void each_long_record_comes_back(void **state)
{
	(void)state;
	struct reader reader = {0};
	struct record r;
	begin();
	agent_clock = 5000;
	lode_event_process(&(struct lode_event_process){
		.pid = 10, .parent_pid = 9, .parent_stream = 8, .begin = LODE_BEGIN_EXEC, .realtime_ns = UINT64_MAX,
		.options = "rate=1", .executable = "/bin/x", .directory = "/", .command_line = {"x\0y\0", 4}});
	lode_event_module(1, 2, 0x1000, 0x2000, UINTPTR_MAX, (struct lode_event_bytes){"\0\1\2", 3}, "/lib/a.so");
	lode_event_module_gone(1);
	assert_true(lode_event_code(5, 6, 0x030b, (struct lode_event_bytes){"f.py", 4},
				    (struct lode_event_bytes){"g", 1}, (struct lode_event_bytes){"", 0}));
	lode_event_thread(18, "worker");
	lode_event_thread_exit(18, 1u << 31);
	lode_event_notice(1, "words and more", 5);
	lode_event_mark("here");
	lode_event_map(&self, LODE_MAP_FILE, 0x7000, 4096, 3);
	lode_event_unmap(&self, 0x7000, 4096, 6000);
	lode_event_python(0x030b07f0, "shared");
	lode_event_fork(11);
	lode_event_exec(NULL);
	static const struct record want[] = {
		{.kind = LODE_RECORD_PROCESS, .v = {10, 9, 8, 2, UINT64_MAX, 8}}, {.kind = LODE_RECORD_MODULE,
		 .v = {1, 2, 0x1000, 0x2000, UINTPTR_MAX}}, {.kind = LODE_RECORD_MODULE_GONE, .v = {1}},
		{.kind = LODE_RECORD_CODE, .v = {5, 6, 0x030b}}, {.kind = LODE_RECORD_THREAD, .v = {18}},
		{.kind = LODE_RECORD_THREAD_EXIT, .v = {18, 1u << 31}}, {.kind = LODE_RECORD_NOTICE, .v = {1}},
		{.kind = LODE_RECORD_MARK}, {.kind = LODE_RECORD_MAP, .v = {LODE_MAP_FILE, 0x7000, 4096, 3}},
		{.kind = LODE_RECORD_UNMAP, .v = {0x7000, 4096}}, {.kind = LODE_RECORD_PYTHON, .v = {0x030b07f0}},
		{.kind = LODE_RECORD_FORK, .v = {11}}, {.kind = LODE_RECORD_EXEC},
	};
	static const char *const strings[][5] = {
		{LODE_VERSION, "rate=1", "/bin/x", NULL, "/"}, {NULL, "/lib/a.so"}, {0}, {"f.py", "g", ""}, {"worker"},
		{0}, {"words"}, {"here"}, {0}, {0}, {"shared"}, {0}, {""},
	};
	for (unsigned i = 0; i < sizeof want / sizeof want[0]; i++) {
		assert_true(next_record(&reader, &r));
		assert_int_equal(r.kind, want[i].kind);
		assert_int_equal(r.time, r.kind < LODE_RECORD_UNMAP ? 5000 : 6000);
		assert_memory_equal(r.v, want[i].v, sizeof r.v);
		for (unsigned s = 0; s < 5; s++)
			if (strings[i][s])
				assert_text(&r, s, strings[i][s]);
		if (i == 0)
			assert_memory_equal(r.s[3], "x\0y\0", 4);
		if (i == 1)
			assert_memory_equal(r.s[0], "\0\1\2", 3);
	}
	assert_false(next_record(&reader, &r));
}

static void a_record_fits_whole_or_is_refused_without_a_trace(void **state)
{
	(void)state;
	static char bytes[LODE_SEGMENT_PAYLOAD_BYTES + 600];
	struct reader reader = {0};
	struct record r;
	unsigned accepted = 0, refused = 0, seen = 0;
	begin();
	memset(bytes, 'x', sizeof bytes);
	for (size_t n = LODE_SEGMENT_PAYLOAD_BYTES - 600; n < sizeof bytes; n += 50) {
		const uint8_t *before = self.lane.at;
		uint32_t claimed = lode_log->next_segment;
		if (lode_event_code(1, 2, 3, (struct lode_event_bytes){bytes, n}, (struct lode_event_bytes){"", 0},
				    (struct lode_event_bytes){"", 0})) {
			accepted++;
		} else {
			refused++;
			assert_ptr_equal(self.lane.at, before);
			assert_int_equal(lode_log->next_segment, claimed);
		}
	}
	assert_true(accepted > 0 && refused > 0);
	while (next_record(&reader, &r))
		assert_int_equal(r.bytes[0], LODE_SEGMENT_PAYLOAD_BYTES - 600 + 50 * seen++);
	assert_int_equal(seen, accepted);
}

static void a_record_of_about_four_gigabytes_is_refused(void **state)
{
	(void)state;
	begin();
	lode_event_mark("first");
	for (size_t n = UINT32_MAX - 300ul; n < UINT32_MAX + 300ul; n++)
		assert_false(lode_event_code(1, 2, 3, (struct lode_event_bytes){"", n}, (struct lode_event_bytes){"", 0},
					     (struct lode_event_bytes){"", 0}));
}

static void a_mark_that_does_not_fit_is_counted(void **state)
{
	(void)state;
	static char name[LODE_SEGMENT_BYTES + 1];
	begin();
	memset(name, 'x', LODE_SEGMENT_BYTES);
	lode_event_mark(name);
	assert_int_equal(lode_log->lost_events, 1);
}

static void a_thread_without_a_struct_writes_no_definition(void **state)
{
	(void)state;
	struct reader reader = {0};
	struct record r;
	begin();
	for (uintptr_t none = 0; none < 2; none++) { /* none yet; retired */
		lode_self = (struct lode_thread *)none;
		lode_event_thread(1, "x");
		lode_event_mark("lost");
	}
	assert_false(next_record(&reader, &r));
	assert_int_equal(lode_log->lost_events, 2);
}

static void a_definition_leaves_the_thread_as_busy_as_it_was(void **state)
{
	(void)state;
	begin();
	for (uint32_t busy = 0; busy < 3; busy++) {
		self.busy = busy;
		lode_event_fork(1);
		assert_int_equal(self.busy, busy);
	}
}

/* ---- from segment to segment ---------------------------------------------------------------- */

#define OPERATIONS 60000u
static struct record written[OPERATIONS];
static unsigned written_count, attempts;

/* One event of any kind with extreme values among its operands; remembered if it was not lost. */
static void random_event(void)
{
	uint64_t x = agent_random(), lost = lode_log ? lode_log->lost_events + lode_log->lost_samples : 0;
	uint64_t address = x % 5 ? (agent_random() % 512) * 8 : agent_random() << x % 60;
	struct record *w = &written[written_count];
	agent_clock += x % 7 ? x % 100 : x >> (30 + x % 30);
	*w = (struct record){.time = agent_clock, .v = {address, 1 + x % 17, x >> 60, (x >> 33 & 15) << (x & 31)}};
	attempts++;
	if (x >> 40 & 1) {
		w->kind = LODE_TAG_ALLOC;
		alloc(address, w->v[3], (uint32_t)w->v[2], (uint32_t)w->v[1]);
	} else if (x >> 41 & 7) {
		*w = (struct record){.kind = LODE_TAG_FREE, .time = agent_clock, .v = {address}};
		release(address);
	} else if (x >> 44 & 3) {
		w->kind = LODE_TAG_SAMPLE;
		w->v[3] = 0;
		w->v[2] &= UINT32_MAX;
		w->v[0] &= 7;
		lode_event_sample(&self, (uint32_t)w->v[0], w->v[1], (uint32_t)w->v[2]);
	} else {
		w->kind = LODE_RECORD_MAP;
		lode_event_map(&self, (uint32_t)w->v[0], w->v[1], w->v[2], (uint32_t)w->v[3]);
		w->v[0] &= UINT32_MAX;
		w->v[3] &= UINT32_MAX;
	}
	if (lode_log && lode_log->lost_events + lode_log->lost_samples == lost)
		written_count++;
}

static void assert_all_come_back(void)
{
	struct reader reader = {0};
	struct record r;
	unsigned n = 0;
	for (; next_record(&reader, &r); n++) {
		assert_true(n < written_count);
		assert_int_equal(r.kind, written[n].kind);
		assert_int_equal(r.time, written[n].time);
		assert_memory_equal(r.v, written[n].v, sizeof r.v);
	}
	assert_int_equal(n, written_count);
}

static void events_of_all_kinds_come_back_across_segments(void **state)
{
	(void)state;
	begin();
	while (attempts < OPERATIONS)
		random_event();
	assert_int_equal(written_count, OPERATIONS);
	assert_true(lode_log->next_segment > 2);
	assert_all_come_back();
}

static void a_full_segment_gives_way_to_the_spare(void **state)
{
	(void)state;
	begin();
	random_event();
	lode_lane_prepare(&self);
	struct lode_segment_header *first = self.lane.segment, *spare = self.lane.spare;
	assert_non_null(spare);
	lode_lane_prepare(&self);
	assert_ptr_equal(self.lane.spare, spare); /* one is enough */
	self.attention = 0;
	unsigned calls = agent_calls;
	while (self.lane.segment == first)
		random_event();
	assert_ptr_equal(self.lane.segment, spare);
	assert_null(self.lane.spare);
	assert_int_equal(agent_calls, calls); /* nothing a signal handler must not do */
	assert_int_equal(first->state, LODE_SEGMENT_FULL);
	assert_true(self.attention & LODE_ATTENTION_PREPARE);
	assert_all_come_back();
}

static void without_room_events_and_samples_are_counted_as_lost(void **state)
{
	(void)state;
	begin();
	random_event();
	lode_lane_prepare(&self);
	lode_segment_stop(0);
	while (attempts < OPERATIONS)
		random_event();
	assert_true(lode_log->lost_samples > 0);
	assert_int_equal(lode_log->lost_events + lode_log->lost_samples, OPERATIONS - written_count);
	assert_int_equal(lode_log->next_segment, 2);
	assert_all_come_back();
}

static void without_a_log_nothing_happens(void **state)
{
	(void)state;
	lode_self = &self;
	random_event();
	lode_event_mark("m");
	lode_lane_prepare(&self);
	assert_null(self.lane.segment);
	assert_null(self.lane.spare);
}

/* A segment at the end of readable memory, so that a byte too far is a fault. */
static struct lode_segment_header *segment_at_a_cliff(void)
{
	uint8_t *p = mmap(NULL, LODE_SEGMENT_BYTES + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(p != MAP_FAILED);
	assert_int_equal(mprotect(p + LODE_SEGMENT_BYTES, 4096, PROT_NONE), 0);
	return (struct lode_segment_header *)p;
}

/* Goes on in `s` with `left` bytes before its end. */
static void go_on_near_the_end(struct lode_segment_header *s, size_t left)
{
	self.lane.segment = s;
	self.lane.at = END_OF(s) - left;
	self.lane.limit = END_OF(s) - LODE_LANE_SLACK;
	self.lane.last_time = self.lane.last_address = 0;
	s->state = LODE_SEGMENT_OPEN;
}

static void the_longest_events_never_pass_the_end_of_a_segment(void **state)
{
	(void)state;
	struct lode_segment_header *s = segment_at_a_cliff();
	begin();
	lode_segment_stop(0);
	for (size_t left = 0; left < 3 * LODE_LANE_SLACK; left++) {
		for (unsigned kind = 0; kind < 4; kind++) {
			go_on_near_the_end(s, left);
			for (unsigned i = 0; i < 9; i++) {
				agent_clock = UINT64_MAX;
				self.lane.last_time = 0;
				if (kind == 0)
					alloc(0x8000000000000000u, SIZE_MAX - i, UINT32_MAX, UINT32_MAX);
				else if (kind == 1)
					lode_event_sample(&self, UINT32_MAX, UINT64_MAX, UINT32_MAX);
				else if (kind == 2)
					lode_event_map(&self, UINT32_MAX, UINTPTR_MAX, SIZE_MAX, UINT32_MAX);
				else
					lode_event_mark("a name of some length, which may be anything");
			}
			assert_true(self.lane.at <= END_OF(s));
		}
	}
	assert_int_equal(s->state, LODE_SEGMENT_OPEN); /* nothing to go on in: it is not sealed */
}

static void write_until_the_end(void)
{
	path = agent_path("log");
	self.tid = 17;
	lode_self = &self;
	lode_log_open(path);
	for (unsigned i = 0; i < 3; i++) {
		lode_lane_prepare(&self);
		for (unsigned k = 0; k < OPERATIONS / 3; k++)
			random_event();
	}
	if (!lode_log)
		return;
	assert_int_equal(written_count + lode_log->lost_events + lode_log->lost_samples, attempts);
	agent_fail_at = agent_fail_at > agent_calls ? agent_fail_at : 0;
	assert_all_come_back();
}

static void each_call_may_fail(void **state)
{
	(void)state;
	agent_fail_each(write_until_the_end, 15);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_block_takes_the_long_form_once_and_then_the_slots),
		cmocka_unit_test(sites_that_share_a_slot_do_not_mix),
		cmocka_unit_test(a_size_beyond_32_bits_is_not_taken_for_its_lower_half),
		cmocka_unit_test(addresses_that_share_a_slot_do_not_mix),
		cmocka_unit_test(a_sample_comes_back),
		cmocka_unit_test(a_clock_that_steps_back_stands_still_in_the_lane),
		cmocka_unit_test(a_lane_renamed_on_a_core_that_lags_stays_in_order),
		cmocka_unit_test(a_renamed_lane_starts_with_empty_slots),
		cmocka_unit_test(each_long_record_comes_back),
		cmocka_unit_test(a_record_fits_whole_or_is_refused_without_a_trace),
		cmocka_unit_test(a_record_of_about_four_gigabytes_is_refused),
		cmocka_unit_test(a_mark_that_does_not_fit_is_counted),
		cmocka_unit_test(a_thread_without_a_struct_writes_no_definition),
		cmocka_unit_test(a_definition_leaves_the_thread_as_busy_as_it_was),
		cmocka_unit_test(events_of_all_kinds_come_back_across_segments),
		cmocka_unit_test(a_full_segment_gives_way_to_the_spare),
		cmocka_unit_test(without_room_events_and_samples_are_counted_as_lost),
		cmocka_unit_test(without_a_log_nothing_happens),
		cmocka_unit_test(the_longest_events_never_pass_the_end_of_a_segment),
		cmocka_unit_test(each_call_may_fail),
	};
	return AGENT_RUN(tests);
}
