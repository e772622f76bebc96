/* link: preload/capture.c */
/* Captures with everything around them played: how native and Python frames merge, and when a walk may be spared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "capture.h"
#include "modules.h"
#include "python/code.h"
#include "python/walk.h"
#include "stacks.h"
#include "state.h"
#include "thread.h"
#include "unwind.h"

#define NATIVE(pc) ((uint64_t)LODE_NODE_RETURN << LODE_NODE_KIND_SHIFT | (pc))
#define EXACT(pc) ((uint64_t)LODE_NODE_EXACT << LODE_NODE_KIND_SHIFT | (pc))
#define PYTHON(code) ((uint64_t)LODE_NODE_PYTHON << LODE_NODE_KIND_SHIFT | (code))
#define SPECIAL(what) ((uint64_t)LODE_NODE_SPECIAL << LODE_NODE_KIND_SHIFT | LODE_SPECIAL_##what)

/* Where code lies on this stage. */
#define OWN 0x100   /* .. 0x1ff: the agent's */
#define EVAL 0x200  /* .. 0x2ff: the interpreter's evaluation loop */
#define CODE 0x5000 /* code object CODE + i has id i; id 0 cannot be had */

static struct lode_thread t;

/* ---- the stage ------------------------------------------------------------------------------ */

static struct {
	struct lode_native_frame native[LODE_NATIVE_DEPTH];
	struct lode_python_frame python[LODE_PYTHON_DEPTH];
	uint32_t native_depth, python_depth;
	uint32_t unwind_flags, python_flags;
	struct lode_slot slots[LODE_NATIVE_SLOTS], python_slots[4];
	uint32_t slot_count, python_slot_count;
	uintptr_t python_state, python_frame, python_instruction;
	uint32_t epoch, generation;
	unsigned walks, slow_walks, wishes, readers;
	uintptr_t low, high, readable_from; /* what the walk was told; what the kernel was asked */
	bool was_validated;
	uint32_t nodes_room;
} stage;

struct lode_config lode_config;

void lode_modules_enter(void) { stage.readers++; }
void lode_modules_leave(void) { stage.readers--; }
uint32_t lode_modules_epoch(void) { return stage.epoch; }
bool lode_modules_refresh_wanted(void) { return false; }
void lode_modules_want_refresh(void) { stage.wishes++; }
uint32_t lode_code_generation(void) { return stage.generation; }
uintptr_t lode_python_state(void) { return stage.python_state; }
bool lode_python_is_eval(uintptr_t pc) { return pc / 0x100 == EVAL / 0x100; }
bool lode_is_own_code(uintptr_t pc) { return pc / 0x100 == OWN / 0x100; }
bool lode_stacks_wants_room(void) { return false; }

uint32_t lode_code_id(uintptr_t code, bool validate)
{
	stage.was_validated = validate;
	return (uint32_t)(code - CODE);
}

bool lode_python_top(uintptr_t state, uintptr_t *frame, uintptr_t *instruction)
{
	(void)state;
	*frame = stage.python_frame;
	*instruction = stage.python_instruction;
	return true;
}

uintptr_t lode_os_readable_end(uintptr_t from, unsigned pages)
{
	(void)pages;
	stage.readable_from = from;
	return from + 1;
}

void lode_unwind(struct lode_unwind *u)
{
	assert_int_equal(stage.readers, 1);
	stage.walks++;
	stage.low = u->stack_low;
	stage.high = u->stack_high;
	u->depth = stage.native_depth < u->capacity ? stage.native_depth : u->capacity;
	memcpy(u->frames, stage.native, u->depth * sizeof u->frames[0]);
	u->flags = stage.unwind_flags;
	if (u->slots) {
		u->slot_count = stage.slot_count;
		memcpy(u->slots, stage.slots, u->slot_count * sizeof u->slots[0]);
	}
}

void lode_unwind_slow(struct lode_unwind *u)
{
	(void)u;
	stage.slow_walks++;
}

void lode_python_walk(struct lode_python_walk *w)
{
	assert_int_equal(w->state, stage.python_state);
	w->depth = stage.python_depth;
	w->flags = stage.python_flags;
	memcpy(w->frames, stage.python, w->depth * sizeof w->frames[0]);
	if (w->slots) {
		w->slot_count = stage.python_slot_count;
		memcpy(w->slots, stage.python_slots, w->slot_count * sizeof w->slots[0]);
	}
}

/* ---- nodes ---------------------------------------------------------------------------------- */

#define NODES 30000u
static struct lode_node nodes[NODES];
static uint32_t node_count;

uint32_t lode_stacks_node(uint32_t parent, uint64_t value, uint32_t aux)
{
	/* the youngest first: that is what a test asks for again */
	for (uint32_t i = node_count; i-- > 0 && i + 3000 > node_count;)
		if (nodes[i].parent == parent && nodes[i].value == value && nodes[i].aux == aux)
			return i + 1;
	if (!stage.nodes_room || node_count == NODES)
		return LODE_STACK_NONE;
	stage.nodes_room--;
	nodes[node_count++] = (struct lode_node){value, parent, aux};
	return node_count;
}

/* The values of `stack`, leaf first, are `values`, which end with 0. */
static void assert_stack(uint32_t stack, const uint64_t *values)
{
	uint32_t id = stack;
	for (unsigned i = 0; values[i]; i++, id = nodes[id - 1].parent) {
		assert_int_not_equal(id, 0);
		if (nodes[id - 1].value != values[i])
			fail_msg("frame %u is %lx, not %lx", i, (long)nodes[id - 1].value, (long)values[i]);
	}
	assert_int_equal(id, 0);
}
#define assert_frames(stack, ...) assert_stack((stack), (const uint64_t[]){__VA_ARGS__, 0})

/* ---- what a test does ----------------------------------------------------------------------- */

static int begin(void **state)
{
	(void)state;
	memset(&stage, 0, sizeof stage);
	memset(&t, 0, sizeof t);
	memset(nodes, 0, sizeof nodes);
	node_count = 0;
	stage.nodes_room = NODES;
	stage.epoch = 9;
	lode_config.native = LODE_NATIVE_FULL;
	return 0;
}

/* Native frame by frame, leaf first; each spans 0x100 of the stack, from 0x1000 up. */
static void native(const uintptr_t *pcs)
{
	for (stage.native_depth = 0; pcs[stage.native_depth]; stage.native_depth++)
		stage.native[stage.native_depth] =
			(struct lode_native_frame){pcs[stage.native_depth], 0x1000 + (stage.native_depth + 1) * 0x100};
}
#define NATIVE_FRAMES(...) native((const uintptr_t[]){__VA_ARGS__, 0})

static void python(unsigned id, bool is_entry, uintptr_t anchor)
{
	stage.python_state = 0x77;
	stage.python[stage.python_depth++] =
		(struct lode_python_frame){.code = CODE + id, .lasti = (int)id * 2, .is_entry = is_entry, .anchor = anchor};
}

static uintptr_t words[3] = {0xb9, 0xc9, 0};

static uint32_t capture(void)
{
	return lode_capture_hook(&t, words);
}

static unsigned walks_of_another(void)
{
	unsigned before = stage.walks;
	capture();
	return stage.walks - before;
}

/* ---- merging -------------------------------------------------------------------------------- */

static void native_frames_become_nodes_with_the_leaf_as_name(void **state)
{
	(void)state;
	NATIVE_FRAMES(0x1001, 0x2002, 0x3003);
	uint32_t stack = capture();
	assert_frames(stack, NATIVE(0x1001), NATIVE(0x2002), NATIVE(0x3003));
	assert_int_equal(nodes[stack - 1].aux, 9); /* the modules' epoch */
	assert_int_equal(stage.readers, 0);
}

static void an_interrupted_leaf_is_exact(void **state)
{
	(void)state;
	NATIVE_FRAMES(0x1001, 0x2002);
	assert_frames(lode_capture_signal(&t, &(struct lode_capture_context){0}), EXACT(0x1001), NATIVE(0x2002));
}

static void the_agents_own_frames_are_left_out(void **state)
{
	(void)state;
	/* a return address belongs to the byte before it */
	NATIVE_FRAMES(OWN + 1, OWN + 0x100, 0x1001, OWN);
	assert_frames(capture(), NATIVE(0x1001), NATIVE(OWN));
	assert_frames(lode_capture_signal(&t, &(struct lode_capture_context){0}), NATIVE(0x1001), NATIVE(OWN));
}

static void a_loop_gives_way_to_its_python_frames(void **state)
{
	(void)state;
	NATIVE_FRAMES(0x1001, EVAL + 1, 0x2002, EVAL + 1, 0x3003);
	python(1, false, 0);
	python(2, true, 0);
	python(3, true, 0);
	uint32_t stack = capture();
	assert_frames(stack, NATIVE(0x1001), PYTHON(1), PYTHON(2), NATIVE(0x2002), PYTHON(3), NATIVE(0x3003));
	assert_int_equal(nodes[nodes[stack - 1].parent - 1].aux, 2); /* the instruction's offset */
	assert_false(stage.was_validated);
}

static void without_python_a_loop_is_a_native_frame(void **state)
{
	(void)state;
	NATIVE_FRAMES(0x1001, EVAL + 1);
	assert_frames(capture(), NATIVE(0x1001), NATIVE(EVAL + 1));
}

static void anchors_tell_which_loop_runs_which_frames(void **state)
{
	(void)state;
	/* frames span 0x1000, 0x1100, ...: 1 ran in a loop that was not recognised, below frame 1 */
	NATIVE_FRAMES(0x1001, EVAL + 1, EVAL + 2, EVAL + 3, 0x2002);
	python(1, true, 0x1080);
	python(2, true, 0x1180);
	python(3, true, 0x1380); /* the loop at 0x1200 runs none */
	assert_frames(capture(), NATIVE(0x1001), PYTHON(1), PYTHON(2), PYTHON(3), NATIVE(0x2002));
}

static void python_frames_without_a_loop_come_last(void **state)
{
	(void)state;
	NATIVE_FRAMES(0x1001);
	python(1, true, 0);
	python(2, true, 0);
	assert_frames(capture(), NATIVE(0x1001), PYTHON(1), PYTHON(2));
}

static void with_native_off_python_alone_is_left(void **state)
{
	(void)state;
	lode_config.native = LODE_NATIVE_OFF;
	NATIVE_FRAMES(0x1001, EVAL + 1, 0x2002);
	python(1, true, 0);
	assert_frames(capture(), PYTHON(1));
}

static void with_native_leaf_nothing_native_stands_below_python(void **state)
{
	(void)state;
	lode_config.native = LODE_NATIVE_LEAF;
	NATIVE_FRAMES(0x1001, EVAL + 1, 0x2002, EVAL + 1, 0x3003);
	python(1, true, 0);
	python(2, true, 0);
	assert_frames(capture(), NATIVE(0x1001), PYTHON(1), PYTHON(2));
}

static void a_code_object_that_cannot_be_had_is_said(void **state)
{
	(void)state;
	NATIVE_FRAMES(EVAL + 1);
	python(0, false, 0);
	python(1, true, 0);
	assert_frames(capture(), SPECIAL(PYTHON_DROPPED), PYTHON(1));
}

static void the_collector_stands_above_the_python_frame_that_it_interrupts(void **state)
{
	(void)state;
	NATIVE_FRAMES(0x1001, EVAL + 1, 0x2002, EVAL + 1);
	python(1, true, 0);
	python(2, true, 0);
	stage.python_flags = LODE_PYTHON_GC;
	assert_frames(capture(), NATIVE(0x1001), SPECIAL(GC), PYTHON(1), NATIVE(0x2002), PYTHON(2));
}

static void dropped_python_frames_are_said_once(void **state)
{
	(void)state;
	NATIVE_FRAMES(0x1001, 0x2002);
	stage.python_state = 0x77;
	stage.python_flags = LODE_PYTHON_DROPPED;
	unsigned said = 0;
	for (uint32_t id = capture(); id; id = nodes[id - 1].parent)
		said += nodes[id - 1].value == SPECIAL(PYTHON_DROPPED);
	assert_int_equal(said, 1);
	assert_int_equal(node_count, 3);
}

static void a_cut_stack_says_so_at_its_root(void **state)
{
	(void)state;
	NATIVE_FRAMES(0x1001, 0x2002);
	stage.unwind_flags = LODE_UNWIND_TRUNCATED | LODE_UNWIND_NOT_REPLAYABLE;
	assert_frames(capture(), NATIVE(0x1001), NATIVE(0x2002), SPECIAL(TRUNCATED));
	stage.unwind_flags = LODE_UNWIND_NOT_REPLAYABLE;
	stage.python_state = 0x77;
	stage.python_flags = LODE_PYTHON_TRUNCATED;
	assert_frames(capture(), NATIVE(0x1001), NATIVE(0x2002), SPECIAL(TRUNCATED));
}

static void the_deepest_stack_of_all_is_cut_at_its_root(void **state)
{
	(void)state;
	for (stage.native_depth = 0; stage.native_depth < LODE_NATIVE_DEPTH; stage.native_depth++)
		stage.native[stage.native_depth].pc = 0x10000 + stage.native_depth;
	for (unsigned i = 0; i < LODE_PYTHON_DEPTH; i++)
		python(1 + i, i + 1 == LODE_PYTHON_DEPTH, 0);
	stage.python_flags = LODE_PYTHON_GC; /* one more than there is room for */
	uint32_t id = capture(), depth = 0, root = 0;
	for (; id; id = nodes[id - 1].parent, depth++)
		root = id;
	assert_int_equal(depth, LODE_STACK_DEPTH + 1);
	assert_true(nodes[root - 1].value == SPECIAL(TRUNCATED));
}

static void a_signal_validates_and_tells_the_gil(void **state)
{
	(void)state;
	struct lode_capture_context c = {.sample_flags = LODE_SAMPLE_LATE};
	NATIVE_FRAMES(EVAL + 1);
	python(1, true, 0);
	stage.python_flags = LODE_PYTHON_GIL;
	lode_capture_signal(&t, &c);
	assert_int_equal(c.sample_flags, LODE_SAMPLE_LATE | LODE_SAMPLE_GIL);
	assert_true(stage.was_validated);
}

static void a_routine_and_a_special_frame_in_it(void **state)
{
	(void)state;
	assert_frames(lode_capture_special(0x4004, LODE_SPECIAL_UNSAMPLED), SPECIAL(UNSAMPLED), EXACT(0x4004));
	assert_frames(lode_capture_special(0, LODE_SPECIAL_UNKNOWN), SPECIAL(UNKNOWN));
}

/* ---- walking -------------------------------------------------------------------------------- */

static void the_walk_stays_in_the_stack_it_is_in(void **state)
{
	(void)state;
	struct lode_capture_context c = {.sp = 0x9000};
	t.stack_low = 0x8000;
	t.stack_high = 0xa000;
	lode_capture_signal(&t, &c);
	assert_int_equal(stage.low, 0x8000);
	assert_int_equal(stage.high, 0xa000);
	assert_int_equal(stage.readable_from, 0);
	c.sp = 0xa000; /* another stack: the kernel is asked how far */
	lode_capture_signal(&t, &c);
	assert_int_equal(stage.readable_from, 0xa000);
	assert_int_equal(stage.low, 0xa000);
	assert_int_equal(stage.high, 0xa001);
}

static void the_slow_engine_is_for_hooks_alone(void **state)
{
	(void)state;
	stage.unwind_flags = LODE_UNWIND_UNSUPPORTED;
	lode_capture_signal(&t, &(struct lode_capture_context){0});
	assert_int_equal(stage.slow_walks, 0);
	capture();
	assert_int_equal(stage.slow_walks, 1);
}

static void unknown_code_asks_for_a_look_at_the_modules_now_and_then(void **state)
{
	(void)state;
	stage.unwind_flags = LODE_UNWIND_NO_TABLE;
	capture();
	assert_int_equal(stage.wishes, 1);
	for (unsigned i = 0; i < 1000; i++)
		lode_capture_signal(&t, &(struct lode_capture_context){0});
	assert_in_range(stage.wishes, 2, 10);
}

static void the_last_path_is_not_taken_for_one_that_forks_off_it(void **state)
{
	(void)state;
	stage.unwind_flags = LODE_UNWIND_NOT_REPLAYABLE;
	NATIVE_FRAMES(0x1001, 0x2002, 0x3003);
	capture();
	NATIVE_FRAMES(0x1001, 0x2003, 0x3003); /* the same leaf, another way */
	assert_frames(capture(), NATIVE(0x1001), NATIVE(0x2003), NATIVE(0x3003));
	NATIVE_FRAMES(0x2003, 0x3003);
	assert_frames(capture(), NATIVE(0x2003), NATIVE(0x3003));
	stage.epoch++; /* the same addresses in other modules */
	uint32_t stack = capture();
	assert_int_equal(nodes[stack - 1].aux, stage.epoch);
}

static void a_reset_forgets_replays_and_path(void **state)
{
	(void)state;
	NATIVE_FRAMES(0x1001, 0x2002);
	capture();
	lode_capture_reset(&t);
	node_count = 0; /* a new stream */
	assert_int_equal(capture(), 2);
	assert_int_equal(node_count, 2);
}

/* ---- replay --------------------------------------------------------------------------------- */

static uintptr_t memory[3];

static void a_replayable_place(void)
{
	NATIVE_FRAMES(0x1001, 0x2002);
	for (unsigned i = 0; i < 2; i++)
		stage.slots[i] = (struct lode_slot){&memory[i], memory[i] = 100 + i};
	stage.slot_count = 2;
	python(1, true, 0);
	stage.python_slots[0] = (struct lode_slot){&memory[2], memory[2] = 102};
	stage.python_slot_count = 1;
}

static void a_place_seen_before_is_not_walked_again(void **state)
{
	(void)state;
	a_replayable_place();
	uint32_t stack = capture();
	assert_int_equal(walks_of_another(), 0);
	assert_int_equal(capture(), stack);
}

static void each_word_that_the_walk_read_must_be_the_same(void **state)
{
	(void)state;
	a_replayable_place();
	capture();
	for (unsigned i = 0; i < 3; i++) {
		memory[i]++;
		assert_int_equal(walks_of_another(), 1);
		memory[i]--;
		assert_int_equal(walks_of_another(), 0);
	}
}

static void each_circumstance_must_be_the_same(void **state)
{
	(void)state;
	a_replayable_place();
	capture();
	uintptr_t *own[] = {&words[1], &stage.python_frame, &stage.python_instruction, &stage.python_state};
	for (unsigned i = 0; i < 4; i++) {
		++*own[i];
		assert_int_equal(walks_of_another(), 1);
		--*own[i];
		assert_int_equal(walks_of_another(), 0);
	}
	stage.epoch++;
	assert_int_equal(walks_of_another(), 1);
	stage.generation++;
	assert_int_equal(walks_of_another(), 1);
	uintptr_t elsewhere[3] = {words[0], words[1], 0};
	lode_capture_hook(&t, elsewhere);
	assert_int_equal(walks_of_another(), 0);
	assert_int_equal(stage.walks, 8);
}

static void the_frame_pointer_counts_only_where_the_walk_used_it(void **state)
{
	(void)state;
	a_replayable_place();
	capture();
	words[0]++;
	assert_int_equal(walks_of_another(), 0);
	begin(NULL);
	a_replayable_place();
	stage.unwind_flags = LODE_UNWIND_USES_BP;
	capture();
	words[0]++;
	assert_int_equal(walks_of_another(), 1);
}

static void a_word_is_read_only_when_those_before_it_hold(void **state)
{
	(void)state;
	a_replayable_place();
	stage.slots[1].address = (uintptr_t *)8; /* readable no more */
	capture();
	memory[0]++;
	assert_int_equal(walks_of_another(), 1);
}

static void what_cannot_be_verified_is_walked_each_time(void **state)
{
	(void)state;
	static const uint32_t unwind[] = {LODE_UNWIND_NOT_REPLAYABLE, LODE_UNWIND_UNSUPPORTED};
	static const uint32_t interpreter[] = {LODE_PYTHON_NOT_REPLAYABLE, LODE_PYTHON_DROPPED, LODE_PYTHON_GC};
	a_replayable_place();
	for (unsigned i = 0; i < 5; i++) {
		stage.unwind_flags = i < 2 ? unwind[i] : 0;
		stage.python_flags = i < 2 ? 0 : interpreter[i - 2];
		capture();
		assert_int_equal(walks_of_another(), 1);
	}
}

static void eight_ways_to_one_place_are_remembered(void **state)
{
	(void)state;
	a_replayable_place();
	for (unsigned round = 0; round < 3; round++) {
		for (uintptr_t way = 0; way < 8; way++) {
			stage.slots[0].value = memory[0] = way;
			NATIVE_FRAMES(0x1001, 0x9000 + way);
			assert_int_equal(walks_of_another(), round == 0);
			assert_frames(capture(), NATIVE(0x1001), NATIVE(0x9000 + way), PYTHON(1));
		}
	}
}

static void thousands_of_places_push_each_other_out_and_never_mix(void **state)
{
	(void)state;
	stage.slot_count = 600;
	for (unsigned i = 0; i < stage.slot_count; i++)
		stage.slots[i] = (struct lode_slot){&memory[0], 0};
	for (unsigned i = 0; i < 6000; i++) {
		uintptr_t place = (uintptr_t)rand() % 97;
		words[1] = 0x100000 + place;
		stage.slot_count = (uint32_t)(place * 37 % 2048);
		NATIVE_FRAMES(0x1001, 0x9000 + place);
		assert_frames(capture(), NATIVE(0x1001), NATIVE(0x9000 + place));
	}
	assert_true(stage.walks < 6000);
	for (unsigned i = 0; i < LODE_HANDLER_STACK_BYTES; i++)
		assert_int_equal(t.handler_stack[i], 0); /* what lies behind the replays */
}

static void a_stack_cut_for_want_of_nodes_is_not_remembered(void **state)
{
	(void)state;
	a_replayable_place();
	stage.nodes_room = 1;
	capture();
	stage.nodes_room = NODES;
	assert_frames(capture(), NATIVE(0x1001), NATIVE(0x2002), PYTHON(1));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, begin)
	const struct CMUnitTest tests[] = {
		TEST(native_frames_become_nodes_with_the_leaf_as_name),
		TEST(an_interrupted_leaf_is_exact),
		TEST(the_agents_own_frames_are_left_out),
		TEST(a_loop_gives_way_to_its_python_frames),
		TEST(without_python_a_loop_is_a_native_frame),
		TEST(anchors_tell_which_loop_runs_which_frames),
		TEST(python_frames_without_a_loop_come_last),
		TEST(with_native_off_python_alone_is_left),
		TEST(with_native_leaf_nothing_native_stands_below_python),
		TEST(a_code_object_that_cannot_be_had_is_said),
		TEST(the_collector_stands_above_the_python_frame_that_it_interrupts),
		TEST(dropped_python_frames_are_said_once),
		TEST(a_cut_stack_says_so_at_its_root),
		TEST(the_deepest_stack_of_all_is_cut_at_its_root),
		TEST(a_signal_validates_and_tells_the_gil),
		TEST(a_routine_and_a_special_frame_in_it),
		TEST(the_walk_stays_in_the_stack_it_is_in),
		TEST(the_slow_engine_is_for_hooks_alone),
		TEST(unknown_code_asks_for_a_look_at_the_modules_now_and_then),
		TEST(the_last_path_is_not_taken_for_one_that_forks_off_it),
		TEST(a_reset_forgets_replays_and_path),
		TEST(a_place_seen_before_is_not_walked_again),
		TEST(each_word_that_the_walk_read_must_be_the_same),
		TEST(each_circumstance_must_be_the_same),
		TEST(the_frame_pointer_counts_only_where_the_walk_used_it),
		TEST(a_word_is_read_only_when_those_before_it_hold),
		TEST(what_cannot_be_verified_is_walked_each_time),
		TEST(eight_ways_to_one_place_are_remembered),
		TEST(thousands_of_places_push_each_other_out_and_never_mix),
		TEST(a_stack_cut_for_want_of_nodes_is_not_remembered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
