/* link: reader/label.c reader/lib/escape.c */
/* Hostile names in each place they are printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "label.h"
#include "lib/escape.h"
#include "profile.h"

static char printed[4096];
static int columns;

enum place { TEXT, JSON, XML, FOLDED };

static const char *put(enum place place, const char *s)
{
	FILE *f = fmemopen(printed, sizeof(printed), "w");
	switch (place) {
	case TEXT:
		columns = lode_put_text(f, s);
		break;
	case JSON:
		lode_put_json(f, s);
		break;
	case XML:
		lode_put_xml(f, s);
		break;
	case FOLDED:
		lode_put_folded(f, s);
		break;
	}
	fputc(0, f);
	fclose(f);
	return printed;
}

static void a_terminal_gets_no_control(void **state)
{
	(void)state;
	assert_string_equal(put(TEXT, "a\x1b[31mb\n\x7f"), "a\\x1b[31mb\\x0a\\x7f");
	assert_int_equal(columns, 18);
	assert_string_equal(put(TEXT, "\xc2\x9b"
				      "31m"),
			    "\\x9b31m"); /* C1: another way to say ESC [ */
	assert_string_equal(put(TEXT, "\xe2\x80\xae"
				      "txt"),
			    "\\u{202e}txt");
	assert_string_equal(put(TEXT, "\xd0\xb6\xe4\xb8\xad"), "\xd0\xb6\xe4\xb8\xad");
	assert_int_equal(columns, 3);
}

static void bytes_that_are_not_utf8_are_replaced(void **state)
{
	(void)state;
	assert_string_equal(put(TEXT, "\xff"), "\xef\xbf\xbd");
	assert_string_equal(put(TEXT, "\xc0\xaf"), "\xef\xbf\xbd\xef\xbf\xbd"); /* overlong / */
	assert_string_equal(put(TEXT, "\xed\xa0\x80"), "\xef\xbf\xbd");		/* a surrogate */
	assert_string_equal(put(TEXT, "\xf4\x90\x80\x80"), "\xef\xbf\xbd");	/* above U+10FFFF */
	assert_string_equal(put(TEXT, "\xe4\xb8"
				      "a"),
			    "\xef\xbf\xbd"
			    "a");					/* cut */
	assert_string_equal(put(JSON, "\xe4\xb8"), "\"\xef\xbf\xbd\""); /* cut at the end */
}

static void json_may_stand_in_a_script(void **state)
{
	(void)state;
	assert_string_equal(put(JSON, "</script>\"\\&\n\xe2\x80\xa8"),
			    "\"\\u003c/script\\u003e\\\"\\\\\\u0026\\u000a\\u2028\"");
}

static void xml_has_no_markup(void **state)
{
	(void)state;
	assert_string_equal(put(XML, "<a b=\"'&\x01\n"),
			    "&#60;a b=&#34;&#39;&#38;\xef\xbf\xbd&#10;");
}

static void folded_frames_stay_one_frame(void **state)
{
	(void)state;
	assert_string_equal(put(FOLDED, "a;b\nc"), "a:b c");
	assert_string_equal(put(FOLDED, "f 42"), "f_42");
	assert_string_equal(put(FOLDED, "f 4.2"), "f_4.2");
	assert_string_equal(put(FOLDED, "operator new(unsigned long)"),
			    "operator new(unsigned long)");
	assert_string_equal(put(FOLDED, ""), "?");
	assert_string_equal(put(FOLDED, "f "), "f_");
}

static void labels_say_where(void **state)
{
	char buf[64];
	struct lode_frame python = {"C.f", "/src/app.py", NULL, 12, 10, LODE_FRAME_PYTHON};
	struct lode_frame native = {"f", "/src/f.c", "/lib/libf.so", 7, 5, LODE_FRAME_NATIVE};
	struct lode_frame bare = {"f", NULL, "/lib/libf.so", 0, 0, LODE_FRAME_NATIVE};
	struct lode_frame inlined = {"f", "/src/f.h", "/lib/libf.so", 7, 5, LODE_FRAME_INLINED};
	struct lode_frame special = {"<GC>", NULL, NULL, 0, 0, LODE_FRAME_SPECIAL};
	(void)state;
	assert_string_equal(lode_frame_label(&python, 1, buf, sizeof(buf)), "C.f (app.py:12)");
	assert_string_equal(lode_frame_label(&python, 0, buf, sizeof(buf)), "C.f (app.py:10)");
	assert_string_equal(lode_frame_label(&native, 1, buf, sizeof(buf)), "f (f.c:7)");
	assert_string_equal(lode_frame_label(&native, 0, buf, sizeof(buf)), "f (f.c)");
	assert_string_equal(lode_frame_label(&bare, 1, buf, sizeof(buf)), "f (libf.so)");
	assert_string_equal(lode_frame_label(&inlined, 1, buf, sizeof(buf)), "f (f.h:7) [inlined]");
	assert_string_equal(lode_frame_label(&special, 1, buf, sizeof(buf)), "<GC>");
}

static void a_label_is_cut_between_characters(void **state)
{
	char buf[6];
	struct lode_frame f = {"abc\xe4\xb8\xad\xe4\xb8\xad", NULL, NULL, 0, 0, LODE_FRAME_SPECIAL};
	(void)state;
	assert_string_equal(lode_frame_label(&f, 1, buf, sizeof(buf)), "abc");
	assert_string_equal(lode_frame_label(&f, 1, buf, 1), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_terminal_gets_no_control),
		cmocka_unit_test(bytes_that_are_not_utf8_are_replaced),
		cmocka_unit_test(json_may_stand_in_a_script),
		cmocka_unit_test(xml_has_no_markup),
		cmocka_unit_test(folded_frames_stay_one_frame),
		cmocka_unit_test(labels_say_where),
		cmocka_unit_test(a_label_is_cut_between_characters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
