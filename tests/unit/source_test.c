/* link: tests/unit/synth.c reader/source.c reader/lib/error.c reader/lib/escape.c reader/lib/zip.c reader/lib/map.c -lz */
/* Files to blocks: whole, cut, damaged, foreign. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "source.h"
#include "synth.h"

static char path[64], log_path[80];

static int make_path(void **state)
{
	(void)state;
	strcpy(path, "/tmp/lode-source-test-XXXXXX");
	close(mkstemp(path));
	snprintf(log_path, sizeof(log_path), "%s.log", path);
	freopen("/dev/null", "w", stderr); /* the messages are not what is tested */
	return 0;
}

static int remove_path(void **state)
{
	(void)state;
	unlink(path);
	unlink(log_path);
	return 0;
}

/* `blocks` lanes of one allocation each; the sequence numbers start after `sequence`. */
static void write_file(const char *name, enum lode_file_kind kind, unsigned blocks,
		       uint64_t sequence, bool in_order)
{
	struct synth_file f;
	struct synth_lane l = {0};
	synth_open(&f, name, kind);
	f.sequence = sequence;
	for (unsigned i = 0; i < blocks; i++) {
		synth_begin(&l, 1, 100, 100, 1000 + i);
		synth_alloc(&l, 1000 + i, 1, 1000 + i, 0x1000 + 16 * i);
		synth_end(&f, &l);
	}
	synth_close(&f, in_order);
}

/* How many RECORDS blocks can be read. */
static size_t readable(bool *is_damaged)
{
	struct lode_source *s;
	struct lode_payload_buffer buffer = {0};
	size_t n, good = 0;
	if (lode_source_open(path, &s))
		return SIZE_MAX;
	const struct lode_block *b = lode_source_blocks(s, &n);
	for (size_t i = 0; i < n; i++)
		good += b[i].payload == LODE_PAYLOAD_RECORDS &&
			!lode_source_read(s, &b[i], &buffer);
	*is_damaged = lode_source_is_damaged(s);
	lode_payload_release(&buffer);
	lode_source_close(s);
	return good;
}

static void change(const char *name, long at, uint8_t bits)
{
	FILE *f = fopen(name, "r+b");
	fseek(f, at, SEEK_SET);
	int c = fgetc(f);
	fseek(f, at, SEEK_SET);
	fputc(c ^ bits, f);
	fclose(f);
}

static long size_of(const char *name)
{
	FILE *f = fopen(name, "rb");
	fseek(f, 0, SEEK_END);
	long n = ftell(f);
	fclose(f);
	return n;
}

static void whole_files_are_read(void **state)
{
	bool is_damaged;
	(void)state;
	write_file(path, LODE_FILE_PACKED, 5, 0, true);
	assert_int_equal(readable(&is_damaged), 5);
	assert_false(is_damaged);
	write_file(path, LODE_FILE_LOG, 5, 0, true);
	assert_int_equal(readable(&is_damaged), 5);
	assert_false(is_damaged);
}

static void a_file_that_was_not_closed_says_so(void **state)
{
	bool is_damaged;
	(void)state;
	write_file(path, LODE_FILE_PACKED, 5, 0, false);
	assert_int_equal(readable(&is_damaged), 5);
	assert_true(is_damaged);
}

static void a_cut_file_gives_what_is_whole(void **state)
{
	(void)state;
	write_file(path, LODE_FILE_PACKED, 5, 0, true);
	for (long n = size_of(path) - 1; n >= 0; n -= 7) {
		bool is_damaged = false;
		assert_int_equal(truncate(path, n), 0);
		size_t good = readable(&is_damaged);
		assert_true(n < 64 ? good == SIZE_MAX : good <= 5 && is_damaged);
	}
}

static void a_damaged_block_is_skipped(void **state)
{
	bool is_damaged;
	(void)state;
	write_file(path, LODE_FILE_PACKED, 5, 0, true);
	change(path, 64 + 20, 0x10); /* the first block's header */
	assert_int_equal(readable(&is_damaged), 4);
	assert_true(is_damaged);
	write_file(path, LODE_FILE_PACKED, 5, 0, true);
	change(path, 64 + 64 + 3, 0x10); /* its contents */
	assert_int_equal(readable(&is_damaged), 4);
	assert_true(is_damaged);
}

static void no_bit_that_flips_does_harm(void **state)
{
	(void)state;
	for (unsigned kind = LODE_FILE_PACKED; kind <= LODE_FILE_LOG; kind++) {
		write_file(path, kind, 3, 0, true);
		long n = size_of(path);
		for (long at = 0; at < n && at < 6000; at += at < 300 ? 1 : 61) {
			bool is_damaged;
			change(path, at, (uint8_t)(1u << at % 8));
			(void)readable(&is_damaged);
			change(path, at, (uint8_t)(1u << at % 8));
		}
	}
}

static void the_log_beside_a_file_fills_what_it_lacks(void **state)
{
	bool is_damaged;
	(void)state;
	write_file(path, LODE_FILE_PACKED, 3, 0, false); /* sequences 1..3 */
	write_file(log_path, LODE_FILE_LOG, 4, 1, true); /* sequences 2..5 */
	assert_int_equal(readable(&is_damaged), 5);
	assert_false(is_damaged);
	unlink(log_path);
}

static void segments_that_were_handed_back_are_left_alone(void **state)
{
	bool is_damaged;
	(void)state;
	write_file(path, LODE_FILE_LOG, 3, 0, true);
	long at = (long)(LODE_LOG_HEADER_BYTES + offsetof(struct lode_segment_header, state));
	change(path, at, LODE_SEGMENT_OPEN ^ LODE_SEGMENT_FREE);
	change(path, at + (long)LODE_SEGMENT_BYTES, LODE_SEGMENT_OPEN ^ LODE_SEGMENT_NONE);
	assert_int_equal(readable(&is_damaged), 1);
	assert_false(is_damaged);
}

static void foreign_and_newer_files_are_refused(void **state)
{
	bool is_damaged;
	(void)state;
	FILE *f = fopen(path, "wb");
	for (unsigned i = 0; i < 1000; i++)
		fputs("not a recording\n", f);
	fclose(f);
	assert_int_equal(readable(&is_damaged), SIZE_MAX);
	fclose(fopen(path, "wb"));
	assert_int_equal(readable(&is_damaged), SIZE_MAX);
	write_file(path, LODE_FILE_PACKED, 1, 0, true);
	change(path, offsetof(struct lode_file_header, version), 2); /* 3 */
	assert_int_equal(readable(&is_damaged), SIZE_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_files_are_read),
		cmocka_unit_test(a_file_that_was_not_closed_says_so),
		cmocka_unit_test(a_cut_file_gives_what_is_whole),
		cmocka_unit_test(a_damaged_block_is_skipped),
		cmocka_unit_test(no_bit_that_flips_does_harm),
		cmocka_unit_test(the_log_beside_a_file_fills_what_it_lacks),
		cmocka_unit_test(segments_that_were_handed_back_are_left_alone),
		cmocka_unit_test(foreign_and_newer_files_are_refused),
	};
	return cmocka_run_group_tests(tests, make_path, remove_path);
}
