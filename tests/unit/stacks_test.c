/* link: preload/stacks.c preload/segment.c preload/os_linux.c tests/unit/agent_mocks.c -Wl,--wrap=lode_os_map,--wrap=lode_os_map_file,--wrap=lode_os_open,--wrap=lode_os_allocate,--wrap=lode_os_fstat_identity,--wrap=lode_os_monotonic_ns */
/* Interned stacks, checked against the nodes that a reader finds in the file. */
#include "agent_mocks.h"

#include <pthread.h>
#include <sched.h>

#include "segment.h"
#include "stacks.h"
#include "state.h"

static const char *path;

static void begin(void)
{
	path = agent_path("log");
	assert_int_equal(lode_log_open(path), 0);
	assert_true(lode_stacks_init());
}

/* ---- the reader's side ---------------------------------------------------------------------- */

#define SEGMENTS 64u
static struct lode_segment_header *views[SEGMENTS];

/* The node `id` of the stream in the file. */
static const struct lode_node *node(uint32_t id)
{
	for (uint32_t i = 0; i < SEGMENTS && i < lode_log->next_segment; i++) {
		if (!views[i] && !(views[i] = agent_segment(path, i)))
			break;
		const struct lode_segment_header *s = views[i];
		uint32_t entry = id - s->node_base;
		if (s->stream == lode_stream && s->payload == LODE_PAYLOAD_NODES && id >= s->node_base &&
		    entry < LODE_NODES_PER_SEGMENT) {
			assert_true((entry + 1) * sizeof(struct lode_node) <= s->committed);
			return (const struct lode_node *)((const uint8_t *)s + LODE_SEGMENT_HEADER_BYTES) + entry;
		}
	}
	fail_msg("node %u is in no segment", id);
	return NULL;
}

static bool is_node(uint32_t id, uint32_t parent, uint64_t value, uint32_t aux)
{
	const struct lode_node *n = node(id);
	return n->parent == parent && n->value == value && n->aux == aux && parent < id;
}

/* ---- one thread ----------------------------------------------------------------------------- */

static void the_same_frames_have_the_same_id_and_others_another(void **state)
{
	(void)state;
	begin();
	uint32_t main_id = lode_stacks_node(0, 100, 1), f = lode_stacks_node(main_id, 200, 1);
	assert_int_equal(main_id, 1);
	assert_int_equal(f, 2);
	assert_int_equal(lode_stacks_node(0, 100, 1), main_id);
	assert_int_equal(lode_stacks_node(main_id, 200, 1), f);
	assert_int_equal(lode_stacks_node(main_id, 200, 2), 3);
	assert_int_equal(lode_stacks_node(main_id, 201, 1), 4);
	assert_int_equal(lode_stacks_node(f, 200, 1), 5);
	assert_true(is_node(1, 0, 100, 1) && is_node(2, 1, 200, 1) && is_node(3, 1, 200, 2));
	assert_true(is_node(4, 1, 201, 1) && is_node(5, 2, 200, 1));
}

#define MANY 200000u /* the first table has 8192 slots, a segment 16376 nodes */

static void ids_hold_when_table_and_segments_have_grown(void **state)
{
	(void)state;
	begin();
	for (uint32_t i = 1; i <= MANY; i++) {
		if (lode_stacks_wants_room())
			lode_stacks_prepare();
		assert_int_equal(lode_stacks_node(i / 2, 1000 + i % 7, i), i);
	}
	assert_true(lode_log->next_segment > MANY / LODE_NODES_PER_SEGMENT);
	for (uint32_t i = 1; i <= MANY; i++) {
		assert_true(is_node(i, i / 2, 1000 + i % 7, i));
		assert_int_equal(lode_stacks_node(i / 2, 1000 + i % 7, i), i);
	}
}

static void without_room_there_is_none_and_what_is_there_is_found(void **state)
{
	(void)state;
	uint32_t count = 0;
	begin();
	assert_false(lode_stacks_wants_room());
	while (lode_stacks_node(count, 7, count))
		count++;
	assert_int_equal(count, LODE_NODES_PER_SEGMENT);
	assert_int_equal(lode_stacks_node(count, 7, count), LODE_STACK_NONE);
	assert_int_equal(lode_stacks_node(5, 7, 5), 6);
	assert_true(lode_stacks_wants_room());
	lode_stacks_prepare();
	assert_int_equal(lode_stacks_node(count, 7, count), count + 1);
	assert_int_equal(node(1)->value, 7);
	assert_int_equal(views[0]->committed, LODE_NODES_PER_SEGMENT * sizeof(struct lode_node));
}

static void a_full_disk_leaves_what_is_there(void **state)
{
	(void)state;
	begin();
	lode_segment_stop(0);
	for (uint32_t i = 0; i < 2 * LODE_NODES_PER_SEGMENT; i++) {
		lode_stacks_prepare();
		assert_int_equal(lode_stacks_node(i, 7, i), i < LODE_NODES_PER_SEGMENT ? i + 1 : LODE_STACK_NONE);
	}
	assert_int_equal(lode_stacks_node(5, 7, 5), 6);
}

static void before_the_beginning_there_is_no_stack(void **state)
{
	(void)state;
	assert_int_equal(lode_stacks_node(0, 1, 1), LODE_STACK_NONE);
}

static void fork_child(void)
{
	lode_stream = 2;
	lode_stacks_fork_child();
	assert_int_equal(lode_stacks_node(0, 300, 3), 1);
	assert_int_equal(lode_stacks_node(1, 100, 1), 2);
	assert_true(is_node(1, 0, 300, 3) && is_node(2, 1, 100, 1));
}

static void a_forked_child_numbers_its_own(void **state)
{
	(void)state;
	begin();
	lode_stacks_node(0, 100, 1);
	agent_in_child(fork_child);
	assert_int_equal(lode_stacks_node(1, 200, 1), 2);
	assert_true(is_node(1, 0, 100, 1) && is_node(2, 1, 200, 1));
}

/* ---- four threads --------------------------------------------------------------------------- */

#define THREADS 4u
#define STACKS 12000u
#define DEPTH 6u

static uint32_t ids[THREADS][STACKS];

/* Frame k (rootward first) of stack i: many stacks share their first frames. */
static uint64_t value_of(uint32_t i, uint32_t k)
{
	return 1000 + (i >> 2 * (DEPTH - 1 - k));
}

static void *intern_all(void *start)
{
	uint32_t *mine = start;
	uint32_t first = (uint32_t)(mine - ids[0]); /* each begins elsewhere */
	for (uint32_t n = 0; n < STACKS; n++) {
		uint32_t i = (first / 3 + n * 7) % STACKS, id = 0;
		for (uint32_t k = 0; k < DEPTH; k++) {
			uint32_t parent = id;
			while (!(id = lode_stacks_node(parent, value_of(i, k), k)) || lode_stacks_wants_room()) {
				lode_stacks_prepare();
				sched_yield(); /* to another that prepares */
			}
		}
		mine[i] = id;
	}
	return NULL;
}

static void what_four_threads_intern_at_a_time_all_resolves(void **state)
{
	(void)state;
	pthread_t threads[THREADS];
	uint32_t differing = 0;
	begin();
	for (unsigned t = 0; t < THREADS; t++)
		pthread_create(&threads[t], NULL, intern_all, ids[t]);
	for (unsigned t = 0; t < THREADS; t++)
		pthread_join(threads[t], NULL);
	for (unsigned t = 0; t < THREADS; t++) {
		for (uint32_t i = 0; i < STACKS; i++) {
			uint32_t id = ids[t][i];
			for (uint32_t k = DEPTH; k-- > 0; id = node(id)->parent)
				assert_true(is_node(id, node(id)->parent, value_of(i, k), k));
			assert_int_equal(id, 0);
			differing += ids[t][i] != ids[0][i];
		}
	}
	/* two ids for one stack are allowed, while tables grow; they must not be the rule */
	assert_true(differing < STACKS / 2);
}

/* ---- failures ------------------------------------------------------------------------------- */

static void intern_a_few(void)
{
	for (uint32_t i = 0; i < 9000; i++) {
		lode_stacks_prepare();
		uint32_t id = lode_stacks_node(0, 7, i);
		assert_true(!id || is_node(id, 0, 7, i));
	}
}

static void fork_twice(void)
{
	path = agent_path("log");
	if (lode_log_open(path) < 0)
		return;
	if (!lode_stacks_init())
		return;
	intern_a_few();
	for (uint32_t child = 0; child < 2; child++) {
		lode_stream++;
		memset(views, 0, sizeof views);
		lode_segment_fork_child();
		lode_stacks_fork_child();
		intern_a_few();
	}
}

static void each_call_may_fail(void **state)
{
	(void)state;
	agent_fail_each(fork_twice, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_frames_have_the_same_id_and_others_another),
		cmocka_unit_test(ids_hold_when_table_and_segments_have_grown),
		cmocka_unit_test(without_room_there_is_none_and_what_is_there_is_found),
		cmocka_unit_test(a_full_disk_leaves_what_is_there),
		cmocka_unit_test(before_the_beginning_there_is_no_stack),
		cmocka_unit_test(a_forked_child_numbers_its_own),
		cmocka_unit_test(what_four_threads_intern_at_a_time_all_resolves),
		cmocka_unit_test(each_call_may_fail),
	};
	return AGENT_RUN(tests);
}
