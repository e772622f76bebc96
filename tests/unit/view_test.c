/* link: reader/view.c reader/diff.c reader/verdict.c reader/label.c reader/profile.c reader/lib/error.c reader/lib/escape.c reader/lib/arena.c reader/lib/map.c reader/lib/intern.c */
/* Rows, differences and verdicts of a small tree:
 *
 *   main (a.py:1)
 *     walk (a.py:5)              recursion
 *       walk (a.py:6)
 *         alloc (libx.so)
 *     alloc (libx.so)
 *     walk in b.py               another function of the same name */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "diff.h"
#include "verdict.h"
#include "view.h"

static struct lode_frame frames[] = {
	{"main", "/a.py", NULL, 1, 1, LODE_FRAME_PYTHON},
	{"walk", "/a.py", NULL, 5, 4, LODE_FRAME_PYTHON},
	{"walk", "/a.py", NULL, 6, 4, LODE_FRAME_PYTHON},
	{"alloc", NULL, "/lib/libx.so", 0, 0, LODE_FRAME_NATIVE},
	{"walk", "/b.py", NULL, 9, 8, LODE_FRAME_PYTHON},
};
static struct lode_profile_node nodes[] = {
	{0, 0, 0, 0}, {0, 0, 0, 0}, {1, 1, 0, 0}, {2, 2, 0, 0}, {3, 3, 0, 0}, {1, 3, 0, 0}, {1, 4, 0, 0},
};
enum { NODES = sizeof(nodes) / sizeof(*nodes) };
static int64_t cpu[NODES] = {0, 1, 10, 100, 1000, 10000, 100000};
static int64_t samples[NODES] = {0, 1, 1, 1, 2, 3, 4};

static struct lode_profile profile(int64_t *values)
{
	struct lode_profile p = {
		.frames = frames, .frame_count = sizeof(frames) / sizeof(*frames), .nodes = nodes, .node_count = NODES,
	};
	p.self[LODE_MEASURE_CPU] = values;
	p.self[LODE_MEASURE_SAMPLES] = samples;
	for (size_t i = 0; i < NODES; i++) {
		p.total[LODE_MEASURE_CPU] += values[i];
		p.total[LODE_MEASURE_SAMPLES] += samples[i];
	}
	return p;
}

static const struct lode_row *row(const struct lode_view *v, const char *name, const char *file)
{
	for (size_t i = 0; i < v->row_count; i++)
		if (!strcmp(v->rows[i].name, name) && (!file || (v->rows[i].file && !strcmp(v->rows[i].file, file))))
			return &v->rows[i];
	fail_msg("no row %s", name);
	return NULL;
}

static void a_stack_counts_once_for_a_function_that_calls_itself(void **state)
{
	struct lode_profile p = profile(cpu);
	struct lode_view v;
	(void)state;
	lode_view_init(&v, &p, LODE_MEASURE_CPU, LODE_BY_FUNCTION);
	assert_int_equal(v.row_count, 4);
	assert_int_equal(row(&v, "walk", "/a.py")->self, 110);
	assert_int_equal(row(&v, "walk", "/a.py")->total, 1110);
	assert_int_equal(row(&v, "walk", "/a.py")->count, 4);
	assert_int_equal(row(&v, "walk", "/a.py")->line, 4);
	assert_int_equal(row(&v, "main", NULL)->total, 111111);
	assert_int_equal(row(&v, "alloc", NULL)->self, 11000);
	assert_string_equal(v.rows[0].file, "/b.py");
	lode_view_release(&v);
}

static void functions_of_one_name_in_two_files_are_two(void **state)
{
	struct lode_profile p = profile(cpu);
	struct lode_view v;
	(void)state;
	lode_view_init(&v, &p, LODE_MEASURE_CPU, LODE_BY_FUNCTION);
	assert_int_equal(row(&v, "walk", "/b.py")->self, 100000);
	lode_view_release(&v);
}

static void lines_of_one_function_are_rows_of_their_own(void **state)
{
	struct lode_profile p = profile(cpu);
	struct lode_view v;
	(void)state;
	lode_view_init(&v, &p, LODE_MEASURE_CPU, LODE_BY_LINE);
	assert_int_equal(v.row_count, 5);
	lode_view_sort(&v, LODE_SORT_NAME);
	assert_int_equal(v.rows[2].line + v.rows[3].line + v.rows[4].line, 5 + 6 + 9);
	lode_view_release(&v);
}

static void native_calls_are_their_python_callers_at_a_site(void **state)
{
	struct lode_profile p = profile(cpu);
	struct lode_view v;
	(void)state;
	lode_view_init(&v, &p, LODE_MEASURE_CPU, LODE_BY_SITE);
	assert_int_equal(v.row_count, 3);
	assert_int_equal(row(&v, "walk", "/a.py")->self, 1110);
	assert_int_equal(row(&v, "main", NULL)->self, 10001);
	lode_view_release(&v);
}

static void native_calls_are_the_python_line_that_makes_them(void **state)
{
	struct lode_profile p = profile(cpu);
	struct lode_view v;
	(void)state;
	lode_view_init(&v, &p, LODE_MEASURE_CPU, LODE_BY_PYTHON_LINE);
	assert_int_equal(v.row_count, 4);
	assert_int_equal(row(&v, "main", NULL)->self, 10001);
	for (size_t i = 0; i < v.row_count; i++) {
		assert_int_equal(v.rows[i].kind, LODE_FRAME_PYTHON);
		if (v.rows[i].line == 5)
			assert_int_equal(v.rows[i].self, 10);
		if (v.rows[i].line == 6)
			assert_int_equal(v.rows[i].self, 1100);
	}
	lode_view_release(&v);
}

static void every_stack_with_a_value_is_a_row_and_nothing_is_counted_twice(void **state)
{
	struct lode_profile p = profile(cpu);
	struct lode_view v;
	int64_t sum = 0;
	(void)state;
	lode_view_init(&v, &p, LODE_MEASURE_CPU, LODE_BY_STACK);
	assert_int_equal(v.row_count, 6);
	for (size_t i = 0; i < v.row_count; i++) {
		assert_int_equal(v.rows[i].self, v.rows[i].total);
		sum += v.rows[i].total;
	}
	assert_int_equal(sum, p.total[LODE_MEASURE_CPU]);
	lode_view_release(&v);
}

static void a_stack_that_lost_all_frames_still_counts(void **state)
{
	int64_t kept[NODES] = {7, 1};
	struct lode_profile p = profile(kept);
	struct lode_view v;
	(void)state;
	lode_view_init(&v, &p, LODE_MEASURE_CPU, LODE_BY_FUNCTION);
	assert_int_equal(row(&v, LODE_FRAMELESS, NULL)->self, 7);
	lode_view_release(&v);
}

static void a_measure_that_was_not_recorded_has_no_rows(void **state)
{
	struct lode_profile p = profile(cpu), empty = {0};
	struct lode_view v;
	(void)state;
	for (int by = LODE_BY_FUNCTION; by <= LODE_BY_PYTHON_LINE; by++) {
		if (by == LODE_BY_TYPE)
			continue;
		lode_view_init(&v, &p, LODE_MEASURE_PEAK, (enum lode_by)by);
		assert_int_equal(v.row_count, 0);
		lode_view_release(&v);
		lode_view_init(&v, &empty, LODE_MEASURE_CPU, (enum lode_by)by);
		assert_int_equal(v.row_count, 0);
		lode_view_release(&v);
	}
}

static const struct lode_diff_row *changed(const struct lode_diff *d, const char *name, const char *file)
{
	for (size_t i = 0; i < d->row_count; i++)
		if (!strcmp(d->rows[i].row->name, name) && (!file || !strcmp(d->rows[i].row->file, file)))
			return &d->rows[i];
	fail_msg("no row %s", name);
	return NULL;
}

static void a_difference_says_what_is_new_gone_and_grown(void **state)
{
	int64_t old_values[NODES] = {0, 1, 10, 100, 500, 0, 100000}, new_values[NODES] = {0, 1, 10, 100, 1000, 7, 0};
	int64_t old_samples[NODES] = {0, 1, 1, 1, 1, 0, 1}, new_samples[NODES] = {0, 1, 1, 1, 1, 1, 0};
	struct lode_profile before = profile(old_values), after = profile(new_values);
	struct lode_view a, b;
	struct lode_diff d;
	(void)state;
	before.self[LODE_MEASURE_SAMPLES] = old_samples;
	after.self[LODE_MEASURE_SAMPLES] = new_samples;
	lode_view_init(&a, &before, LODE_MEASURE_CPU, LODE_BY_FUNCTION);
	lode_view_init(&b, &after, LODE_MEASURE_CPU, LODE_BY_FUNCTION);
	lode_diff_init(&d, &a, &b);
	assert_int_equal(d.row_count, 4);
	assert_int_equal(lode_diff_state(changed(&d, "walk", "/b.py")), LODE_DIFF_GONE);
	assert_int_equal(changed(&d, "walk", "/b.py")->before_total, 100000);
	assert_int_equal(lode_diff_state(changed(&d, "alloc", NULL)), LODE_DIFF_GREW);
	assert_int_equal(changed(&d, "alloc", NULL)->after - changed(&d, "alloc", NULL)->before, 507);
	assert_int_equal(lode_diff_state(changed(&d, "main", NULL)), LODE_DIFF_SHRANK);
	lode_diff_release(&d);
	lode_diff_init(&d, &b, &a);
	assert_int_equal(lode_diff_state(changed(&d, "walk", "/b.py")), LODE_DIFF_NEW);
	lode_diff_release(&d);
	lode_diff_init(&d, &a, &a);
	assert_int_equal(lode_diff_state(changed(&d, "main", NULL)), LODE_DIFF_SAME);
	lode_diff_release(&d);
	lode_view_release(&a);
	lode_view_release(&b);
}

static enum lode_verdict_kind judge(const uint64_t *survivors, const uint64_t *live)
{
	uint64_t s[2 * LODE_PROFILE_TENTHS] = {0}, g[2 * LODE_PROFILE_TENTHS] = {0};
	memcpy(s + LODE_PROFILE_TENTHS, survivors, LODE_PROFILE_TENTHS * sizeof(*s));
	memcpy(g + LODE_PROFILE_TENTHS, live, LODE_PROFILE_TENTHS * sizeof(*g));
	struct lode_profile p = {.survivors = s, .growth = g};
	return lode_verdict(&p, 1).kind;
}

static void a_leak_grows_and_a_cache_does_not(void **state)
{
	static const uint64_t steady[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, early[] = {5, 0, 0, 0, 0, 0, 0, 0, 0, 0},
			      late[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 3}, middle[] = {1, 2, 3, 1, 0, 0, 0, 0, 0, 0};
	static const uint64_t rising[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, flat[] = {5, 5, 5, 5, 5, 5, 5, 5, 5, 5},
			      jump[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 3}, full[] = {1, 3, 6, 7, 7, 7, 7, 7, 7, 7};
	(void)state;
	assert_int_equal(judge(steady, rising), LODE_VERDICT_GROWING);
	assert_int_equal(judge(early, flat), LODE_VERDICT_STARTUP);
	assert_int_equal(judge(late, jump), LODE_VERDICT_RECENT);
	assert_int_equal(judge(middle, full), LODE_VERDICT_STEADY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stack_counts_once_for_a_function_that_calls_itself),
		cmocka_unit_test(functions_of_one_name_in_two_files_are_two),
		cmocka_unit_test(lines_of_one_function_are_rows_of_their_own),
		cmocka_unit_test(native_calls_are_their_python_callers_at_a_site),
		cmocka_unit_test(native_calls_are_the_python_line_that_makes_them),
		cmocka_unit_test(every_stack_with_a_value_is_a_row_and_nothing_is_counted_twice),
		cmocka_unit_test(a_stack_that_lost_all_frames_still_counts),
		cmocka_unit_test(a_measure_that_was_not_recorded_has_no_rows),
		cmocka_unit_test(a_difference_says_what_is_new_gone_and_grown),
		cmocka_unit_test(a_leak_grows_and_a_cache_does_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
