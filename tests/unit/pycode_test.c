/* link: reader/pycode.c */
/* Line tables by hand; tests/python/pycode_lines.py compares whole modules with each installed CPython. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pycode.h"

#define LINE(version, table, lasti) lode_pycode_line(version, 10, table, sizeof(table), lasti)

static void a_frame_that_has_not_started_is_at_its_first_line(void **state)
{
	static const uint8_t table[] = { 0, 1, 4, 1 };

	(void)state;
	assert_int_equal(LINE(0x0308, table, -1), 10);
	assert_int_equal(LINE(0x030a, table, -1), 10);
	assert_int_equal(LINE(0x030c, table, -1), 10);
}

static void lnotab_steps_back_for_a_negative_line(void **state)
{
	static const uint8_t table[] = { 0, 1, 4, 5, 6, (uint8_t)-3 };

	(void)state;
	assert_int_equal(LINE(0x0308, table, 0), 11);
	assert_int_equal(LINE(0x0308, table, 3), 11);
	assert_int_equal(LINE(0x0309, table, 4), 16);
	assert_int_equal(LINE(0x0309, table, 10), 13);
	assert_int_equal(LINE(0x0309, table, 1000), 13);
}

static void linetable_counts_the_bytes_of_an_entry_without_line(void **state)
{
	static const uint8_t table[] = { 2, 1, 4, 0x80, 2, 2 };

	(void)state;
	assert_int_equal(LINE(0x030a, table, 0), 11);
	assert_int_equal(LINE(0x030a, table, 2), 10); /* no line: the first one */
	assert_int_equal(LINE(0x030a, table, 4), 10);
	assert_int_equal(LINE(0x030a, table, 6), 13);
	assert_int_equal(LINE(0x030a, table, 8), 10); /* behind the table */
}

static void locations_of_every_code(void **state)
{
	static const uint8_t table[] = {
		0x80 | 3 << 3 | 0, 0x11,                       /* short: line + 0 */
		0x80 | 11 << 3 | 1, 4, 9,                      /* one line: + 1, two units */
		0x80 | 13 << 3 | 0, 3,                         /* no columns: - 1 */
		0x80 | 14 << 3 | 0, 0x40 | 0, 4, 0, 1, 1,      /* long: + 128 in two bytes */
		0x80 | 15 << 3 | 0,                            /* none */
	};

	(void)state;
	assert_int_equal(LINE(0x030b, table, 0), 10);
	assert_int_equal(LINE(0x030b, table, 2), 11);
	assert_int_equal(LINE(0x030b, table, 4), 11);
	assert_int_equal(LINE(0x030d, table, 6), 10);
	assert_int_equal(LINE(0x030d, table, 8), 138);
	assert_int_equal(LINE(0x030e, table, 10), 10);
	assert_int_equal(LINE(0x030e, table, 12), 10);
}

static void any_bytes_are_a_table(void **state)
{
	static const uint32_t versions[] = { 0, 0x0308, 0x030a, 0x030b, 0x030f, UINT32_MAX };
	uint32_t seed = 1;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		const size_t bytes = (size_t)(round % 40);
		uint8_t *table = malloc(bytes ? bytes : 1); /* of its exact size, so that a sanitiser sees a step too far */

		for (size_t i = 0; i < bytes; i++)
			table[i] = (uint8_t)((seed = seed * 1664525 + 1013904223) >> 24);
		for (size_t v = 0; v < sizeof(versions) / sizeof(*versions); v++) {
			lode_pycode_line(versions[v], seed, table, bytes, round % 90 - 2);
			lode_pycode_line(versions[v], UINT32_MAX, table, bytes, INT64_MAX);
		}
		free(table);
	}
	assert_int_equal(lode_pycode_line(0x030b, 7, NULL, 0, 0), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frame_that_has_not_started_is_at_its_first_line),
		cmocka_unit_test(lnotab_steps_back_for_a_negative_line),
		cmocka_unit_test(linetable_counts_the_bytes_of_an_entry_without_line),
		cmocka_unit_test(locations_of_every_code),
		cmocka_unit_test(any_bytes_are_a_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
