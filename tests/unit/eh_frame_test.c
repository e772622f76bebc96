/* link: reader/eh_frame.c */
/* Functions by the unwind tables: two of them, [0x1000, 0x1010) and [0x1020, 0x1040), and tables that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "eh_frame.h"

enum { HEADER = 0x2000, FRAMES = 0x3000 };

struct tables {
	uint8_t header[12 + 2 * 8], frames[2 * 16];
	struct lode_eh_frame e;
};

static void put(uint8_t *p, uint32_t n)
{
	memcpy(p, &n, sizeof(n));
}

static void make(struct tables *t)
{
	static const uint32_t start[] = {0x1000, 0x1020}, bytes[] = {0x10, 0x20};
	memset(t, 0, sizeof(*t));
	memcpy(t->header, (const uint8_t[]){1, 0x1b, 0x03, 0x3b}, 4);
	put(t->header + 8, 2);
	for (uint32_t i = 0; i < 2; i++) {
		put(t->header + 12 + 8 * i, start[i] - HEADER);
		put(t->header + 16 + 8 * i, FRAMES + 16 * i - HEADER);
		put(t->frames + 16 * i, 12);
		put(t->frames + 16 * i + 8, start[i] - (FRAMES + 16 * i + 8));
		put(t->frames + 16 * i + 12, bytes[i]);
	}
	t->e = (struct lode_eh_frame){t->header, t->frames, sizeof(t->header), sizeof(t->frames), HEADER, FRAMES};
}

static uint64_t start_of(const struct tables *t, uint64_t address)
{
	uint64_t start;
	return lode_eh_frame_function(&t->e, address, &start) ? start : 0;
}

static void an_address_belongs_to_the_function_that_covers_it(void **state)
{
	struct tables t;
	(void)state;
	make(&t);
	assert_int_equal(start_of(&t, 0xfff), 0);
	assert_int_equal(start_of(&t, 0x1000), 0x1000);
	assert_int_equal(start_of(&t, 0x100f), 0x1000);
	assert_int_equal(start_of(&t, 0x1010), 0); /* between them */
	assert_int_equal(start_of(&t, 0x1020), 0x1020);
	assert_int_equal(start_of(&t, 0x103f), 0x1020);
	assert_int_equal(start_of(&t, 0x1040), 0);
	assert_int_equal(start_of(&t, UINT64_MAX), 0);
}

static void a_table_of_another_kind_says_nothing(void **state)
{
	struct tables t;
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		make(&t);
		t.header[i] ^= 0x08;
		assert_int_equal(start_of(&t, 0x1000), 0);
	}
	assert_int_equal(start_of(&(struct tables){0}, 0x1000), 0);
}

static void an_entry_that_is_not_where_the_table_says_is_none(void **state)
{
	struct tables t;
	(void)state;
	make(&t);
	put(t.header + 16, FRAMES + 4 - HEADER);
	assert_int_equal(start_of(&t, 0x1000), 0);
	put(t.header + 16, FRAMES + 20 - HEADER);
	assert_int_equal(start_of(&t, 0x1000), 0);
	put(t.header + 16, INT32_MAX);
	assert_int_equal(start_of(&t, 0x1000), 0);
	put(t.header + 16, 0);
	assert_int_equal(start_of(&t, 0x1000), 0);
}

static void nothing_beyond_the_sections_is_read(void **state)
{
	struct tables t;
	uint32_t seed = 1;
	(void)state;
	for (int round = 0; round < 20000; round++) {
		make(&t);
		for (int i = 0; i < 3; i++) {
			seed = seed * 1664525 + 1013904223;
			t.header[4 + (seed >> 8) % (sizeof(t.header) - 4)] = (uint8_t)(seed >> 24);
		}
		size_t header = (seed >> 4) % (sizeof(t.header) + 1), frames = (seed >> 12) % (sizeof(t.frames) + 1);
		uint8_t *h = malloc(header + !header), *f = malloc(frames + !frames); /* their ends are seen by a sanitizer */
		memcpy(h, t.header, header);
		memcpy(f, t.frames, frames);
		t.e = (struct lode_eh_frame){h, f, header, frames, HEADER, FRAMES};
		for (uint64_t a = 0xff0; a < 0x1050; a++) {
			uint64_t start = start_of(&t, a);
			assert_true(!start || start <= a);
		}
		free(h);
		free(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_belongs_to_the_function_that_covers_it),
		cmocka_unit_test(a_table_of_another_kind_says_nothing),
		cmocka_unit_test(an_entry_that_is_not_where_the_table_says_is_none),
		cmocka_unit_test(nothing_beyond_the_sections_is_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
