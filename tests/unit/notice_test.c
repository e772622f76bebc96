/* link: preload/notice.c */
/* The agent's formatter, and that each text is written once. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "event.h"
#include "notice.h"

static unsigned notices;
static uint32_t last_severity;
static char last_text[1000];

void lode_event_notice(uint32_t severity, const char *text, size_t bytes)
{
	notices++;
	last_severity = severity;
	assert_true(bytes < sizeof last_text);
	memcpy(last_text, text, bytes);
	last_text[bytes] = 0;
}

/* ---- the formatter -------------------------------------------------------------------------- */

#define assert_formats(...)                                                                  \
	do {                                                                                 \
		char ours[300], theirs[300];                                                 \
		size_t n = lode_format(ours, sizeof ours, __VA_ARGS__);                      \
		assert_int_equal(n, snprintf(theirs, sizeof theirs, __VA_ARGS__));           \
		assert_string_equal(ours, theirs);                                           \
	} while (0)

static void each_conversion_is_as_printf_has_it(void **state)
{
	(void)state;
	assert_formats("plain");
	assert_formats("%s and %s", "a", "");
	assert_formats("%d %d %d %d", 0, -1, INT_MAX, INT_MIN);
	assert_formats("%ld %ld %ld", 0l, LONG_MAX, LONG_MIN);
	assert_formats("%u %u %lu %lu", 0u, UINT_MAX, 0ul, ULONG_MAX);
	assert_formats("%x %x %lx %lx", 0u, UINT_MAX, 0xabcdef0123456789ul, ULONG_MAX);
	assert_formats("100%%, %d%%", 7);
	assert_formats("%s %d %lu %x", "after each other", -5, 6ul, 7u);
}

static void no_string_is_said(void **state)
{
	(void)state;
	char text[20];
	const char *volatile none = NULL;
	lode_format(text, sizeof text, "<%s>", none);
	assert_string_equal(text, "<(none)>");
}

static void a_text_is_cut_at_its_room_and_always_ends(void **state)
{
	(void)state;
	static const char whole[] = "abc -12 def fff";
	char text[sizeof whole + 2];
	for (size_t room = 0; room < sizeof text; room++) {
		memset(text, '#', sizeof text);
		size_t n = lode_format(text, room, "abc %d %s %x", -12, "def", 0xfffu);
		size_t want = room == 0 ? 0 : room < sizeof whole ? room - 1 : sizeof whole - 1;
		assert_int_equal(n, want);
		assert_memory_equal(text, whole, n);
		if (room)
			assert_int_equal(text[n], 0);
		for (size_t i = room ? n + 1 : 0; i < sizeof text; i++)
			assert_int_equal(text[i], '#');
	}
}

static void a_format_that_ends_in_the_middle_ends_the_text(void **state)
{
	(void)state;
	static const char *volatile const formats[] = {"x%", "x%l"};
	char text[20];
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(lode_format(text, sizeof text, formats[i], 1), 1);
		assert_string_equal(text, "x");
	}
}

/* ---- notices -------------------------------------------------------------------------------- */

static void a_notice_carries_its_severity_and_words(void **state)
{
	(void)state;
	lode_notice(LODE_NOTICE_MISSING, "no %s in %d", "tables", 3);
	assert_int_equal(last_severity, LODE_NOTICE_MISSING);
	assert_string_equal(last_text, "no tables in 3");
}

static void a_text_is_written_once(void **state)
{
	(void)state;
	notices = 0;
	for (unsigned i = 0; i < 5; i++)
		lode_notice(LODE_NOTICE_INFO, "once %d", 1);
	lode_notice(LODE_NOTICE_INFO, "once %d", 2);
	assert_int_equal(notices, 2);
}

static void a_notice_has_two_hundred_bytes_at_most(void **state)
{
	(void)state;
	char text[300];
	memset(text, 'y', sizeof text - 1);
	text[sizeof text - 1] = 0;
	lode_notice(LODE_NOTICE_INFO, "%s", text);
	assert_int_equal(strlen(last_text), 200);
}

/* The last test: it fills the memory for good. */
static void more_texts_than_can_be_remembered_are_written_all_the_same(void **state)
{
	(void)state;
	notices = 0;
	for (unsigned round = 1; round <= 2; round++)
		for (unsigned i = 0; i < 200; i++)
			lode_notice(LODE_NOTICE_INFO, "text %u", i);
	assert_in_range(notices, 200 + 200 - 64, 400);
	assert_string_equal(last_text, "text 199");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_conversion_is_as_printf_has_it),
		cmocka_unit_test(no_string_is_said),
		cmocka_unit_test(a_text_is_cut_at_its_room_and_always_ends),
		cmocka_unit_test(a_format_that_ends_in_the_middle_ends_the_text),
		cmocka_unit_test(a_notice_carries_its_severity_and_words),
		cmocka_unit_test(a_text_is_written_once),
		cmocka_unit_test(a_notice_has_two_hundred_bytes_at_most),
		cmocka_unit_test(more_texts_than_can_be_remembered_are_written_all_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
