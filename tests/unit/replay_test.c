/* link: tests/unit/synth.c reader/replay.c reader/replay_range.c reader/live.c reader/mappings.c reader/info.c reader/clock.c reader/decode.c reader/source.c reader/moment.c reader/lib/error.c reader/lib/escape.c reader/lib/zip.c reader/lib/arena.c reader/lib/map.c reader/lib/progress.c -lz -lm */
/* From synthetic recordings to values by stack. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/error.h"
#include "moment.h"
#include "replay.h"
#include "synth.h"

#define MIB (1u << 20)
#define NODES 64u

struct world { /* a recording being made, then read */
	char path[64];
	struct synth_file file;
	struct synth_lane lane;
	struct lode_source *source;
	struct lode_info info;
	struct lode_replay_options options;
	struct lode_replay_result result;
};

/* One process (stream 1, pid 100), a tick is 10 ns, it starts at tick 1000 with `options`. */
static void begin(struct world *w, enum lode_file_kind kind, const char *options)
{
	memset(w, 0, sizeof(*w));
	strcpy(w->path, "/tmp/lode-replay-test-XXXXXX");
	close(mkstemp(w->path));
	synth_open(&w->file, w->path, kind);
	synth_nodes(&w->file, 1, NODES, false);
	synth_begin(&w->lane, 1, 100, 100, 1000);
	synth_process(&w->lane, 1000, 0, LODE_BEGIN_START, options);
	synth_clock(&w->lane, 1000, 10000);
	synth_clock(&w->lane, 101000, 1010000);
	w->options = (struct lode_replay_options){.to = UINT64_MAX, .at = UINT64_MAX};
}

static void replay(struct world *w)
{
	if (w->lane.count)
		synth_end(&w->file, &w->lane);
	if (w->file.file)
		synth_close(&w->file, true);
	w->file.file = NULL;
	if (!w->source) {
		assert_int_equal(lode_source_open(w->path, &w->source), 0);
		lode_info_read(&w->info, w->source);
	}
	lode_replay_release(&w->result);
	lode_replay(&w->info, w->source, &w->options, &w->result);
	assert_false(lode_source_is_damaged(w->source));
}

static void end(struct world *w)
{
	lode_replay_release(&w->result);
	lode_info_release(&w->info);
	lode_source_close(w->source);
	unlink(w->path);
}

static int64_t value(const struct world *w, uint32_t node, enum lode_measure m)
{
	int64_t sum = 0;
	for (size_t i = 0; i < w->result.stack_count; i++)
		if (w->result.stacks[i].node == node)
			sum += w->result.stacks[i].values[m];
	return sum;
}

static int64_t total(const struct world *w, enum lode_measure m)
{
	int64_t sum = 0;
	for (size_t i = 0; i < w->result.stack_count; i++)
		sum += w->result.stacks[i].values[m];
	return sum;
}

#define assert_value(w, node, m, expected) \
	assert_int_equal(value(w, node, LODE_MEASURE_##m), expected)

static void a_peak_is_what_was_live_then(void **state)
{
	struct world w;
	(void)state;
	begin(&w, LODE_FILE_PACKED, "");
	synth_alloc(&w.lane, 1010, 1, 100, 0x1000);
	synth_alloc(&w.lane, 1020, 2, 50, 0x2000);
	synth_free(&w.lane, 1030, 0x1000);
	synth_alloc(&w.lane, 1040, 3, 70, 0x3000);
	replay(&w);
	assert_int_equal(w.result.peak_bytes, 150);
	assert_int_equal(w.result.peak_ns, 200);
	assert_value(&w, 1, PEAK, 100);
	assert_value(&w, 2, PEAK, 50);
	assert_value(&w, 3, PEAK, 0);
	assert_value(&w, 1, LEAKED, 0);
	assert_value(&w, 2, LEAKED, 50);
	assert_value(&w, 3, LIVE_BLOCKS, 1);
	assert_int_equal(total(&w, LODE_MEASURE_ALLOCATED), 220);
	end(&w);
}

static void the_first_of_equal_peaks_counts(void **state)
{
	struct world w;
	(void)state;
	begin(&w, LODE_FILE_PACKED, "");
	synth_alloc(&w.lane, 1010, 1, 100, 0x1000);
	synth_free(&w.lane, 1020, 0x1000);
	synth_alloc(&w.lane, 1030, 2, 100, 0x1000);
	replay(&w);
	assert_value(&w, 1, PEAK, 100);
	assert_value(&w, 2, PEAK, 0);
	end(&w);
}

/* Thread A frees at 1020 what thread B then gets at 1030; A's lane is written first and goes on to
 * 1100. */
static void a_block_that_moves_between_threads_is_live_once(void **state)
{
	struct world w;
	struct synth_lane b = {0};
	(void)state;
	begin(&w, LODE_FILE_PACKED, "");
	synth_begin(&b, 1, 100, 101, 1005);
	synth_alloc(&w.lane, 1010, 1, 10, 0x1000);
	synth_free(&w.lane, 1020, 0x1000);
	synth_alloc(&b, 1030, 2, 20, 0x1000);
	synth_free(&b, 1040, 0x1000);
	synth_alloc(&w.lane, 1050, 1, 10, 0x1000);
	synth_alloc(&w.lane, 1100, 1, 10, 0x2000);
	synth_end(&w.file, &w.lane);
	synth_end(&w.file, &b);
	replay(&w);
	assert_int_equal(w.result.peak_bytes, 20);
	assert_int_equal(w.result.stats.unmatched_frees, 0);
	assert_int_equal(w.result.stats.replaced_blocks, 0);
	assert_value(&w, 1, LEAKED, 20);
	assert_value(&w, 2, LEAKED, 0);
	end(&w);
}

static void releases_come_first_among_equal_times(void **state)
{
	struct world w;
	struct synth_lane b = {0};
	(void)state;
	begin(&w, LODE_FILE_PACKED, "");
	synth_begin(&b, 1, 100, 101, 1000);
	synth_alloc(&b, 1010, 2, 10, 0x1000);
	synth_free(&b, 1020, 0x1000);
	synth_alloc(&w.lane, 1020, 1, 10, 0x1000);
	synth_end(&w.file, &w.lane);
	synth_end(&w.file, &b);
	replay(&w);
	assert_int_equal(w.result.peak_bytes, 10);
	assert_int_equal(w.result.stats.replaced_blocks, 0);
	assert_value(&w, 1, LEAKED, 10);
	end(&w);
}

static void only_the_threads_next_event_makes_a_temporary(void **state)
{
	struct world w;
	(void)state;
	begin(&w, LODE_FILE_PACKED, "");
	synth_alloc(&w.lane, 1010, 1, 10, 0x1000);
	synth_free(&w.lane, 1020, 0x1000);
	synth_alloc(&w.lane, 1030, 2, 10, 0x1000);
	synth_alloc(&w.lane, 1040, 3, 10, 0x2000);
	synth_sample(&w.lane, 1045, 0, 5, 1);
	synth_free(&w.lane, 1050, 0x2000);
	synth_free(&w.lane, 1060, 0x1000);
	replay(&w);
	assert_value(&w, 1, TEMPORARY, 1);
	assert_value(&w, 2, TEMPORARY, 0);
	assert_value(&w, 3, TEMPORARY, 1);
	end(&w);
}

static void samples_carry_weight_and_residues_are_none(void **state)
{
	struct world w;
	(void)state;
	begin(&w, LODE_FILE_PACKED, "");
	synth_sample(&w.lane, 1010, 0, 10000000, 1);
	synth_sample(&w.lane, 1020, LODE_SAMPLE_LATE, 12000000, 1);
	synth_sample(&w.lane, 1030, LODE_SAMPLE_RESIDUE, 3000000, 2);
	replay(&w);
	assert_value(&w, 1, CPU, 22000000);
	assert_value(&w, 1, SAMPLES, 2);
	assert_value(&w, 2, CPU, 3000000);
	assert_value(&w, 2, SAMPLES, 0);
	assert_int_equal(w.result.stats.late_samples, 1);
	assert_int_equal(w.result.processes[0].cpu_ns, 25000000);
	end(&w);
}

static void a_mapping_is_cut_as_munmap_cuts_it(void **state)
{
	struct world w;
	(void)state;
	begin(&w, LODE_FILE_PACKED, "");
	synth_map(&w.lane, 1010, LODE_MAP_ANONYMOUS, 64 * MIB, 4 * MIB, 1);
	synth_unmap(&w.lane, 1020, 65 * MIB, MIB);			    /* a hole: two pieces */
	synth_map(&w.lane, 1030, LODE_MAP_ANONYMOUS, 66 * MIB, 2 * MIB, 2); /* over the upper one */
	synth_unmap(&w.lane, 1040, 0, 64 * MIB);			    /* nothing there */
	replay(&w);
	assert_value(&w, 1, LIVE, MIB);
	assert_value(&w, 1, LIVE_BLOCKS, 1);
	assert_value(&w, 2, LIVE, 2 * MIB);
	assert_value(&w, 1, LEAKED_BLOCKS, 1);
	assert_int_equal(w.result.peak_bytes, 4 * MIB);
	end(&w);
}

static void the_last_piece_takes_the_block_with_it(void **state)
{
	struct world w;
	(void)state;
	begin(&w, LODE_FILE_PACKED, "");
	synth_map(&w.lane, 1010, LODE_MAP_ANONYMOUS, 64 * MIB, 4 * MIB, 1);
	synth_unmap(&w.lane, 1020, 65 * MIB, MIB);
	synth_unmap(&w.lane, 1030, 60 * MIB, 20 * MIB);
	replay(&w);
	assert_value(&w, 1, LIVE, 0);
	assert_value(&w, 1, LIVE_BLOCKS, 0);
	end(&w);
}

static void a_remapped_range_keeps_its_category(void **state)
{
	struct world w;
	(void)state;
	begin(&w, LODE_FILE_PACKED, "");
	synth_map(&w.lane, 1010, LODE_MAP_FILE, 64 * MIB, MIB, 1);
	synth_unmap(&w.lane, 1020, 64 * MIB, MIB);
	synth_map(&w.lane, 1020, LODE_MAP_REMAPPED, 128 * MIB, 2 * MIB, 1);
	replay(&w);
	assert_int_equal(w.result.peak_bytes, 0);
	assert_int_equal(w.result.stats.file_bytes, 2 * MIB);
	end(&w);
}

static void only_anonymous_mappings_are_memory(void **state)
{
	struct world w;
	(void)state;
	begin(&w, LODE_FILE_PACKED, "");
	synth_map(&w.lane, 1010, LODE_MAP_RESERVED, 64 * MIB, 8 * MIB, 1);
	synth_map(&w.lane, 1020, LODE_MAP_ARENA, 128 * MIB, MIB, 1);
	synth_map(&w.lane, 1030, LODE_MAP_BREAK, 256 * MIB, MIB, 1);
	synth_unmap(&w.lane, 1040, 64 * MIB, 8 * MIB);
	replay(&w);
	assert_int_equal(w.result.peak_bytes, MIB);
	assert_int_equal(w.result.stats.reserved_at_peak, 8 * MIB);
	assert_int_equal(w.result.stats.arena_at_peak, MIB);
	end(&w);
}

static void a_range_counts_what_is_between_its_marks(void **state)
{
	struct world w;
	struct lode_moment a, b;
	(void)state;
	begin(&w, LODE_FILE_PACKED, "");
	synth_alloc(&w.lane, 1010, 1, 1000, 0x1000);
	synth_mark(&w.lane, 1020, "warm");
	synth_alloc(&w.lane, 1030, 2, 10, 0x2000);
	synth_free(&w.lane, 1040, 0x1000);
	synth_mark(&w.lane, 1050, "done");
	synth_alloc(&w.lane, 1060, 3, 5000, 0x3000);
	replay(&w);
	assert_int_equal(w.result.peak_bytes, 5010);
	assert_int_equal(lode_moment_find("mark:warm", &w.info, &a), 0);
	assert_int_equal(lode_moment_find("mark:done", &w.info, &b), 0);
	w.options.from = a.key;
	w.options.to = w.options.at = b.key;
	replay(&w);
	assert_int_equal(w.result.peak_bytes, 1010);
	assert_int_equal(total(&w, LODE_MEASURE_ALLOCATED), 10);
	assert_int_equal(total(&w, LODE_MEASURE_LEAKED), 10);
	assert_int_equal(total(&w, LODE_MEASURE_LIVE), 10);
	assert_int_equal(w.result.from_ns, 200);
	assert_int_equal(w.result.to_ns, 500);
	end(&w);
}

static void live_at_a_moment_may_differ_from_the_end(void **state)
{
	struct world w;
	(void)state;
	begin(&w, LODE_FILE_PACKED, "");
	synth_alloc(&w.lane, 1010, 1, 100, 0x1000);
	synth_free(&w.lane, 1030, 0x1000);
	replay(&w);
	w.options.at = lode_replay_key(&w.info, 200);
	replay(&w);
	assert_value(&w, 1, LIVE, 100);
	assert_value(&w, 1, LEAKED, 0);
	w.options.is_at_peak = true;
	replay(&w);
	assert_value(&w, 1, LIVE, 100);
	end(&w);
}

static void a_sampled_block_stands_for_those_not_sampled(void **state)
{
	struct world w;
	(void)state;
	begin(&w, LODE_FILE_PACKED, "memory=sample,sample=1000");
	synth_alloc(&w.lane, 1010, 1, 1000, 0x1000); /* p = 1 - exp(-1): stands for 1.58198 */
	synth_alloc(&w.lane, 1020, 2, 10, 0x2000);   /* p = 0.00995: 100.5 */
	synth_free(&w.lane, 1030, 0x2000);
	replay(&w);
	assert_value(&w, 1, ALLOCATED, 1582);
	assert_value(&w, 1, ALLOCATIONS, 2);
	assert_value(&w, 2, ALLOCATED, 1005);
	assert_value(&w, 2, ALLOCATIONS, 101);
	assert_value(&w, 2, LIVE, 0);
	assert_value(&w, 2, LIVE_BLOCKS, 0);
	end(&w);
}

static void a_forked_child_does_not_free_its_parents_blocks(void **state)
{
	struct world w;
	struct synth_lane child = {0};
	(void)state;
	begin(&w, LODE_FILE_PACKED, "");
	synth_alloc(&w.lane, 1010, 1, 100, 0x1000);
	synth_begin(&child, 2, 200, 200, 1020);
	synth_process(&child, 1020, 1, LODE_BEGIN_FORK, "");
	synth_free(&child, 1030, 0x1000);
	synth_alloc(&w.lane, 1040, 1, 1, 0x2000);
	synth_end(&w.file, &w.lane);
	synth_end(&w.file, &child);
	synth_nodes(&w.file, 2, NODES, false);
	replay(&w);
	assert_int_equal(w.result.stats.inherited_frees, 1);
	assert_int_equal(w.result.stats.unmatched_frees, 0);
	assert_value(&w, 1, LIVE, 101);
	end(&w);
}

static void a_child_that_has_ended_holds_no_memory(void **state)
{
	struct world w;
	struct synth_lane child = {0};
	(void)state;
	begin(&w, LODE_FILE_PACKED, "");
	for (uint32_t i = 0; i < 3; i++) {
		uint64_t start = 1100 + 100 * i, pid = 200 + i, exit[] = {pid, 0};
		synth_begin(&child, 2 + i, (uint32_t)pid, (int64_t)pid, start);
		synth_process(&child, start, 1, LODE_BEGIN_FORK, "");
		synth_alloc(&child, start + 10, 1, 1000, 0x1000);
		synth_record(&child, LODE_RECORD_THREAD_EXIT, start + 20, 2, exit, 0, NULL);
		synth_end(&w.file, &child);
		synth_nodes(&w.file, 2 + i, NODES, false);
	}
	synth_alloc(&w.lane, 2000, 2, 10, 0x2000);
	replay(&w);
	assert_int_equal(w.result.peak_bytes, 1000);
	assert_value(&w, 1, PEAK, 1000);
	assert_value(&w, 1, LEAKED, 3000);
	assert_value(&w, 1, LIVE, 3000);
	end(&w);
}

static void a_log_reads_as_a_packed_file_does(void **state)
{
	struct world w;
	(void)state;
	begin(&w, LODE_FILE_LOG, "");
	synth_alloc(&w.lane, 1010, 1, 100, 0x1000);
	synth_free(&w.lane, 1020, 0x1000);
	synth_alloc(&w.lane, 1030, 1, 60, 0x1000);
	replay(&w);
	assert_int_equal(w.result.peak_bytes, 100);
	assert_value(&w, 1, LEAKED, 60);
	end(&w);
}

static void leaks_know_when_they_were_born(void **state)
{
	struct world w;
	(void)state;
	begin(&w, LODE_FILE_PACKED, "");
	for (uint64_t i = 0; i < 100; i++)
		synth_alloc(&w.lane, 1005 + 10 * i, 1, 8, 0x1000 + 16 * i);
	synth_mark(&w.lane, 2000, "end");
	replay(&w);
	const struct lode_stack *s = &w.result.stacks[0];
	assert_int_equal(s->oldest_ns, 50);
	assert_int_equal(s->youngest_ns, 9950);
	for (unsigned i = 0; i < LODE_TENTHS; i++) {
		assert_int_equal(s->survivors[i], 10);
		assert_int_equal(s->growth[i], 80 * (i + 1));
	}
	end(&w);
}

static void the_timeline_adds_up(void **state)
{
	struct world w;
	uint64_t cpu = 0, most = 0;
	(void)state;
	begin(&w, LODE_FILE_PACKED, "");
	w.options.want_timeline = true;
	for (uint64_t i = 0; i < 1000; i++) {
		synth_alloc(&w.lane, 1010 + 100 * i, 1, 1000 + i, 0x1000);
		synth_sample(&w.lane, 1020 + 100 * i, 0, 7, 1);
		synth_free(&w.lane, 1030 + 100 * i, 0x1000);
	}
	replay(&w);
	for (size_t i = 0; i < w.result.point_count; i++) {
		cpu += w.result.points[i].cpu_ns;
		if (w.result.points[i].live_bytes > most)
			most = w.result.points[i].live_bytes;
	}
	assert_int_equal(cpu, 7000);
	assert_int_equal(most, 1999);
	end(&w);
}

/* ---- any interleaving against a model that keeps everything --------------------------------- */

#define LANES 4u
#define BLOCKS 40u

struct model {
	uint64_t size[BLOCKS];
	uint32_t stack[BLOCKS];
	uint64_t live, peak, live_of[NODES], peak_of[NODES], allocated_of[NODES];
};

static void model_alloc(struct model *m, unsigned block, uint32_t stack, uint64_t size)
{
	m->size[block] = size;
	m->stack[block] = stack;
	m->live_of[stack] += size;
	m->allocated_of[stack] += size;
	m->live += size;
	if (m->live > m->peak) {
		m->peak = m->live;
		memcpy(m->peak_of, m->live_of, sizeof(m->peak_of));
	}
}

static void model_free(struct model *m, unsigned block)
{
	m->live_of[m->stack[block]] -= m->size[block];
	m->live -= m->size[block];
	m->size[block] = 0;
}

static uint64_t random_next(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

static void play(struct world *w, struct model *m, uint64_t seed)
{
	struct synth_lane lanes[LANES] = {0};
	uint64_t time = 1000, x = seed;
	for (unsigned i = 0; i < LANES; i++)
		synth_begin(&lanes[i], 1, 100, 200 + i, time);
	for (unsigned i = 0; i < 3000; i++) {
		struct synth_lane *l = &lanes[random_next(&x) % LANES];
		unsigned block = (unsigned)(random_next(&x) % BLOCKS);
		uint64_t address = 0x10000 + 48 * block;
		time += random_next(&x) % 3 + 1;
		if (m->size[block]) {
			synth_free(l, time, address);
			model_free(m, block);
		}
		if (random_next(&x) % 3) {
			uint32_t stack = (uint32_t)(random_next(&x) % 9 + 1);
			uint64_t size = random_next(&x) % 5 * 32 + 1;
			time += random_next(&x) % 2;
			synth_alloc(l, time, stack, size, address);
			model_alloc(m, block, stack, size);
		}
		if (random_next(&x) % 200 == 0) {
			synth_end(&w->file, l);
			synth_begin(l, 1, 100, 300 + (int64_t)i, time);
		}
	}
	for (unsigned i = 0; i < LANES; i++)
		synth_end(&w->file, &lanes[i]);
}

static void any_interleaving_gives_the_models_values(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 30; seed++) {
		struct world w;
		struct model m = {0};
		begin(&w, seed % 2 ? LODE_FILE_PACKED : LODE_FILE_LOG, "");
		w.options.split_threads = seed % 3 == 0;
		play(&w, &m, seed * 7919);
		replay(&w);
		assert_int_equal(w.result.peak_bytes, m.peak);
		assert_int_equal(w.result.stats.unmatched_frees, 0);
		assert_int_equal(w.result.stats.replaced_blocks, 0);
		for (uint32_t i = 1; i < NODES; i++) {
			assert_value(&w, i, ALLOCATED, m.allocated_of[i]);
			assert_value(&w, i, PEAK, m.peak_of[i]);
			assert_value(&w, i, LIVE, m.live_of[i]);
			assert_value(&w, i, LEAKED, m.live_of[i]);
		}
		end(&w);
	}
}

/* 40,000 mappings, every second one taken away again: each cut is O(log n). */
static void many_mappings_are_no_work(void **state)
{
	struct world w;
	(void)state;
	begin(&w, LODE_FILE_PACKED, "");
	for (uint64_t i = 0; i < 40000; i++)
		synth_map(&w.lane, 1010 + i, LODE_MAP_ANONYMOUS, MIB + 8192 * i, 4096, 1);
	for (uint64_t i = 0; i < 40000; i += 2)
		synth_unmap(&w.lane, 60000 + i, MIB + 8192 * i, 4096);
	replay(&w);
	assert_value(&w, 1, LIVE_BLOCKS, 20000);
	assert_value(&w, 1, PEAK, 40000 * 4096);
	end(&w);
}

static void moments_have_forms(void **state)
{
	(void)state;
	assert_true(lode_moment_is("10s"));
	assert_true(lode_moment_is("1500ms"));
	assert_true(lode_moment_is("2m"));
	assert_true(lode_moment_is("50%"));
	assert_true(lode_moment_is("1.5"));
	assert_true(lode_moment_is("peak"));
	assert_true(lode_moment_is("mark:after warm-up"));
	assert_false(lode_moment_is(""));
	assert_false(lode_moment_is("10x"));
	assert_false(lode_moment_is("-1s"));
	assert_false(lode_moment_is("lode"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_peak_is_what_was_live_then),
		cmocka_unit_test(the_first_of_equal_peaks_counts),
		cmocka_unit_test(a_block_that_moves_between_threads_is_live_once),
		cmocka_unit_test(releases_come_first_among_equal_times),
		cmocka_unit_test(only_the_threads_next_event_makes_a_temporary),
		cmocka_unit_test(samples_carry_weight_and_residues_are_none),
		cmocka_unit_test(a_mapping_is_cut_as_munmap_cuts_it),
		cmocka_unit_test(the_last_piece_takes_the_block_with_it),
		cmocka_unit_test(a_remapped_range_keeps_its_category),
		cmocka_unit_test(only_anonymous_mappings_are_memory),
		cmocka_unit_test(a_range_counts_what_is_between_its_marks),
		cmocka_unit_test(live_at_a_moment_may_differ_from_the_end),
		cmocka_unit_test(a_sampled_block_stands_for_those_not_sampled),
		cmocka_unit_test(a_forked_child_does_not_free_its_parents_blocks),
		cmocka_unit_test(a_child_that_has_ended_holds_no_memory),
		cmocka_unit_test(a_log_reads_as_a_packed_file_does),
		cmocka_unit_test(leaks_know_when_they_were_born),
		cmocka_unit_test(the_timeline_adds_up),
		cmocka_unit_test(any_interleaving_gives_the_models_values),
		cmocka_unit_test(many_mappings_are_no_work),
		cmocka_unit_test(moments_have_forms),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
