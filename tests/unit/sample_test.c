/* link: preload/sample.c preload/os_linux.c tests/unit/agent_mocks.c -Wl,--wrap=lode_os_map,--wrap=lode_os_map_file,--wrap=lode_os_open,--wrap=lode_os_allocate,--wrap=lode_os_fstat_identity,--wrap=lode_os_monotonic_ns -lm */
/* Sampled memory: the threshold of the three modes, the distances drawn, the set of sampled live blocks. */
#include "agent_mocks.h"

#include <math.h>

#include "sample.h"
#include "state.h"

#define DRAWS 1000000
#define MEAN 524288
#define SET_MASK ((1u << 20) - 1)
#define FILTER_MASK ((1u << LODE_SAMPLE_FILTER_BITS) - 1)

static struct lode_thread t = {.random = 1};

static void begin(uint32_t memory)
{
	lode_config.memory = memory;
	lode_config.sample = MEAN;
	assert_true(lode_sample_init());
	lode_sample_next(&t);
}

/* ---- the threshold -------------------------------------------------------------------------- */

static void every_allocation_is_due_in_full_and_malloc_mode(void **state)
{
	(void)state;
	for (uint32_t memory = LODE_MEMORY_FULL; memory <= LODE_MEMORY_MALLOC; memory++) {
		begin(memory);
		for (unsigned i = 0; i < 1000; i++) {
			assert_true(lode_sample_is_due(&t, 0));
			assert_true(lode_sample_is_due(&t, SIZE_MAX >> i % 64)); /* none of them granted */
		}
	}
}

static void no_allocation_is_due_when_memory_is_off(void **state)
{
	(void)state;
	begin(LODE_MEMORY_OFF);
	for (unsigned i = 0; i < 1000; i++)
		assert_false(lode_sample_is_due(&t, UINT64_C(1) << 47));
}

static void an_allocation_is_due_when_it_reaches_the_distance(void **state)
{
	(void)state;
	begin(LODE_MEMORY_SAMPLE);
	t.bytes_left = 100;
	assert_false(lode_sample_is_due(&t, 60));
	assert_false(lode_sample_is_due(&t, 39));
	assert_true(lode_sample_is_due(&t, 1));
}

static void an_absurd_size_is_due_and_does_not_disturb_the_countdown(void **state)
{
	(void)state;
	begin(LODE_MEMORY_SAMPLE);
	t.bytes_left = 100;
	for (unsigned bits = 47; bits < 64; bits++)
		assert_true(lode_sample_is_due(&t, UINT64_C(1) << bits));
	assert_true(lode_sample_is_due(&t, SIZE_MAX));
	assert_true(lode_sample_is_due(&t, PTRDIFF_MAX));
	assert_false(lode_sample_is_due(&t, 99)); /* the allocator refused: no sample was taken */
}

/* 1e6 draws of an exponential: standard errors of 0.1 %; 2 % leaves room for the logarithm's cubic too. */
static void distances_are_exponential_with_the_mean_that_was_asked_for(void **state)
{
	(void)state;
	double sum = 0;
	unsigned beyond[4] = {0};
	begin(LODE_MEMORY_SAMPLE);
	for (unsigned i = 0; i < DRAWS; i++) {
		lode_sample_next(&t);
		assert_true(t.bytes_left >= 1);
		sum += (double)t.bytes_left;
		for (unsigned k = 0; k < 4; k++)
			beyond[k] += t.bytes_left > MEAN * (int64_t)(k + 1) / 2;
	}
	assert_true(fabs(sum / DRAWS / MEAN - 1) < 0.02);
	for (unsigned k = 0; k < 4; k++)
		assert_true(fabs(beyond[k] / (DRAWS * exp((k + 1) / -2.0)) - 1) < 0.02);
}

/* The reader's weight: FORMAT.md, "Sampled memory".  1e6 allocations, standard error at most 0.3 %. */
static void an_allocation_is_taken_with_the_probability_that_the_reader_assumes(void **state)
{
	(void)state;
	begin(LODE_MEMORY_SAMPLE);
	for (double share = 0.25; share < 5; share *= 2) {
		unsigned taken = 0;
		for (unsigned i = 0; i < DRAWS; i++) {
			if (lode_sample_is_due(&t, (size_t)(share * MEAN))) {
				taken++;
				lode_sample_next(&t);
			}
		}
		assert_true(fabs(taken / (DRAWS * (1 - exp(-share))) - 1) < 0.02);
	}
}

/* ---- the set -------------------------------------------------------------------------------- */

#define BLOCKS 10000u

static void *block(uint64_t i)
{
	return (void *)(uintptr_t)(0x500000000000u + i * 16);
}

/* Fills `found` with blocks whose hash ends as that of the first one; returns the next number to try. */
static void colliding(void **found, unsigned n, uint32_t mask)
{
	uint64_t i = 0;
	for (unsigned k = 0; k < n; i++)
		if ((lode_sample_hash(block(i)) & mask) == (lode_sample_hash(block(0)) & mask))
			found[k++] = block(i);
}

static void the_set_is_exact_for_ten_thousand_blocks(void **state)
{
	(void)state;
	static bool is_live[BLOCKS];
	begin(LODE_MEMORY_SAMPLE);
	for (unsigned i = 0; i < 100 * BLOCKS; i++) {
		uint32_t k = (uint32_t)(agent_random() % BLOCKS);
		if (agent_random() % 2 && !is_live[k])
			is_live[k] = lode_sample_remember(block(k * 7919ull));
		else if (lode_sample_forget(block(k * 7919ull)) != is_live[k])
			fail_msg("block %u, step %u", k, i);
		else
			is_live[k] = false;
		if (is_live[k])
			assert_true(lode_sample_may_know(block(k * 7919ull)));
	}
	for (unsigned k = 0; k < BLOCKS; k++)
		assert_int_equal(lode_sample_forget(block(k * 7919ull)), is_live[k]);
	for (unsigned i = 0; i <= FILTER_MASK; i++)
		assert_int_equal(lode_sample_filter[i], 0);
}

static void the_filter_lets_nearly_every_unknown_block_pass(void **state)
{
	(void)state;
	unsigned stopped = 0;
	begin(LODE_MEMORY_SAMPLE);
	for (unsigned i = 0; i < 1000; i++)
		assert_true(lode_sample_remember(block(i)));
	for (unsigned i = 1000; i < 101000; i++)
		stopped += lode_sample_may_know(block(i));
	assert_true(stopped < 100000 * 1000 / FILTER_MASK * 2); /* 1000 of 65536 counters are set: 1.5 % */
}

static void blocks_of_one_hash_are_kept_apart_until_the_corner_is_full(void **state)
{
	(void)state;
	void *blocks[65];
	begin(LODE_MEMORY_SAMPLE);
	colliding(blocks, 65, SET_MASK);
	for (unsigned i = 0; i < 64; i++)
		assert_true(lode_sample_remember(blocks[i]));
	assert_false(lode_sample_remember(blocks[64])); /* then the sample is not taken */
	assert_false(lode_sample_forget(blocks[64]));
	assert_true(lode_sample_forget(blocks[10]));
	assert_false(lode_sample_forget(blocks[10]));
	assert_true(lode_sample_remember(blocks[64])); /* in the place that became free */
	for (unsigned i = 0; i < 65; i++)
		assert_int_equal(lode_sample_forget(blocks[i]), i != 10);
}

static void a_counter_that_was_full_forgets_no_block(void **state)
{
	(void)state;
	enum { N = 300 };
	static void *blocks[N + 1];
	begin(LODE_MEMORY_SAMPLE);
	colliding(blocks, N + 1, FILTER_MASK);
	for (unsigned i = 0; i < N; i++)
		assert_true(lode_sample_remember(blocks[i]));
	for (unsigned i = 0; i < N; i++)
		assert_true(lode_sample_forget(blocks[i]));
	assert_false(lode_sample_forget(blocks[N]));
}

static void begins_or_says_so(void)
{
	if (lode_sample_init())
		assert_true(lode_sample_remember(block(1)) && lode_sample_forget(block(1)));
}

static void each_call_may_fail(void **state)
{
	(void)state;
	agent_fail_each(begins_or_says_so, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation_is_due_in_full_and_malloc_mode),
		cmocka_unit_test(no_allocation_is_due_when_memory_is_off),
		cmocka_unit_test(an_allocation_is_due_when_it_reaches_the_distance),
		cmocka_unit_test(an_absurd_size_is_due_and_does_not_disturb_the_countdown),
		cmocka_unit_test(distances_are_exponential_with_the_mean_that_was_asked_for),
		cmocka_unit_test(an_allocation_is_taken_with_the_probability_that_the_reader_assumes),
		cmocka_unit_test(the_set_is_exact_for_ten_thousand_blocks),
		cmocka_unit_test(the_filter_lets_nearly_every_unknown_block_pass),
		cmocka_unit_test(blocks_of_one_hash_are_kept_apart_until_the_corner_is_full),
		cmocka_unit_test(a_counter_that_was_full_forgets_no_block),
		cmocka_unit_test(each_call_may_fail),
	};
	return AGENT_RUN(tests);
}
