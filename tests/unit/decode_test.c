/* link: tests/unit/synth.c reader/decode.c -lz */
/* A lane's bytes to events, and bytes that are no lane. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "decode.h"
#include "lode/varint.h"
#include "source.h"
#include "synth.h"

static struct lode_event events[4096];

/* Decodes from a heap copy of exactly the promised size, so that a sanitizer sees a byte too many.
 */
static size_t decode(const uint8_t *bytes, size_t n, bool *is_damaged)
{
	struct lode_lane l;
	uint8_t *copy = calloc(1, n + LODE_SOURCE_PADDING);
	if (n)
		memcpy(copy, bytes, n);
	lode_lane_init(&l, copy, n);
	size_t count = lode_lane_decode(&l, events, sizeof(events) / sizeof(events[0]));
	*is_damaged = l.is_damaged;
	free(copy);
	return count;
}

static size_t decode_lane(struct synth_lane *l)
{
	bool is_damaged;
	size_t n = decode(l->bytes, l->count, &is_damaged);
	assert_false(is_damaged);
	free(l->bytes);
	*l = (struct synth_lane){0};
	return n;
}

static void assert_event(const struct lode_event *e, enum lode_event_kind kind, uint64_t time,
			 uint64_t address)
{
	assert_int_equal(e->kind, kind);
	assert_int_equal(e->time, time);
	assert_int_equal(e->address, address);
}

static void a_site_is_found_again(void **state)
{
	struct synth_lane l = {0};
	(void)state;
	synth_begin(&l, 1, 1, 7, 1000);
	synth_alloc(&l, 1001, 5, 64, 0x7f0000001000);
	synth_alloc(&l, 1002, 5, 64, 0x7f0000002000);
	synth_free(&l, 1003, 0x7f0000001000);
	synth_free(&l, 1004, 0x5000);
	assert_int_equal(decode_lane(&l), 5);
	assert_int_equal(events[0].detail, LODE_RECORD_LANE);
	assert_event(&events[1], LODE_EVENT_ALLOC, 1001, 0x7f0000001000);
	assert_event(&events[2], LODE_EVENT_ALLOC, 1002, 0x7f0000002000);
	assert_int_equal(events[2].size, 64);
	assert_int_equal(events[2].stack, 5);
	assert_int_equal(events[2].detail, LODE_HOW_MALLOC);
	assert_event(&events[3], LODE_EVENT_FREE, 1003, 0x7f0000001000);
	assert_event(&events[4], LODE_EVENT_FREE, 1004, 0x5000);
}

static void long_and_short_forms_say_the_same(void **state)
{
	struct lode_event first[2048];
	size_t counts[2];
	(void)state;
	for (unsigned pass = 0; pass < 2; pass++) {
		struct synth_lane l = {.has_no_slots = pass};
		uint64_t x = 12345, time = 1;
		synth_begin(&l, 1, 1, 7, 1);
		for (unsigned i = 0; i < 1000; i++) {
			x = x * UINT64_C(6364136223846793005) + 1442695040888963407;
			uint64_t address =
				(x >> 40) % 64 * 16 + ((x >> 20 & 1) ? 0x7ffffffff000 : 0x1000);
			time += x >> 60;
			if (x >> 50 & 1)
				synth_alloc(&l, time, (uint32_t)(x >> 30) % 5,
					    (x >> 33) % 3 * 100000, address);
			else
				synth_free(&l, time, address);
		}
		counts[pass] = decode_lane(&l);
		if (!pass)
			memcpy(first, events, sizeof(first));
	}
	assert_int_equal(counts[0], counts[1]);
	for (size_t i = 1; i < counts[0]; i++) { /* the first points into the payload */
		assert_event(&events[i], first[i].kind, first[i].time, first[i].address);
		assert_int_equal(events[i].size, first[i].size);
		assert_int_equal(events[i].stack, first[i].stack);
	}
}

static void extreme_values_survive(void **state)
{
	struct synth_lane l = {0};
	(void)state;
	synth_begin(&l, 1, 1, 7, 1);
	synth_alloc(&l, UINT64_MAX - 1, UINT32_MAX, UINT64_MAX, UINT64_MAX);
	synth_free(&l, UINT64_MAX - 1, 1);
	synth_sample(&l, UINT64_MAX, 7, UINT64_MAX, 3);
	assert_int_equal(decode_lane(&l), 4);
	assert_event(&events[1], LODE_EVENT_ALLOC, UINT64_MAX - 1, UINT64_MAX);
	assert_int_equal(events[1].size, UINT64_MAX);
	assert_int_equal(events[1].stack, UINT32_MAX);
	assert_event(&events[2], LODE_EVENT_FREE, UINT64_MAX - 1, 1);
	assert_int_equal(events[3].weight_ns, UINT64_MAX);
}

static void a_lane_record_resets_the_lane(void **state)
{
	struct synth_lane a = {0}, b = {0};
	uint8_t both[512];
	bool is_damaged;
	(void)state;
	synth_begin(&a, 1, 1, 7, 1000);
	synth_alloc(&a, 1001, 5, 64, 0x1000);
	synth_begin(&b, 1, 1, 8, 2000);
	synth_alloc(&b, 2001, 5, 64, 0x1000);
	memcpy(both, a.bytes, a.count);
	memcpy(both + a.count, b.bytes, b.count);
	assert_int_equal(decode(both, a.count + b.count, &is_damaged), 4);
	assert_event(&events[3], LODE_EVENT_ALLOC, 2001, 0x1000);
	free(a.bytes);
	free(b.bytes);
}

static void unknown_long_records_are_skipped(void **state)
{
	const uint8_t bytes[] = {63, 3, 9, 9, 9, LODE_TAG_FREE, 5, 2};
	bool is_damaged;
	(void)state;
	assert_int_equal(decode(bytes, sizeof(bytes), &is_damaged), 1);
	assert_false(is_damaged);
	assert_event(&events[0], LODE_EVENT_FREE, 5, 16);
}

static void a_cut_record_ends_the_lane(void **state)
{
	struct synth_lane l = {0};
	bool is_damaged;
	(void)state;
	synth_begin(&l, 1, 1, 7, 1000);
	size_t whole = l.count;
	synth_alloc(&l, 100000, 500, 640000, 0x7f0000001000);
	for (size_t n = 0; n < l.count; n++) {
		assert_int_equal(decode(l.bytes, n, &is_damaged), n >= whole);
		assert_int_equal(is_damaged, n && n != whole);
	}
	free(l.bytes);
}

static void a_bad_tag_ends_the_lane(void **state)
{
	bool is_damaged;
	(void)state;
	for (unsigned tag = 0xc3; tag < 0x100; tag++) {
		const uint8_t bytes[] = {LODE_TAG_FREE, 5, 2, (uint8_t)tag, LODE_TAG_FREE, 5, 2};
		assert_int_equal(decode(bytes, sizeof(bytes), &is_damaged), 1);
		assert_true(is_damaged);
	}
}

static void a_varint_of_65_bits_is_damage(void **state)
{
	uint8_t bytes[13] = {LODE_TAG_FREE};
	bool is_damaged;
	(void)state;
	memset(bytes + 1, 0xff, 11);
	assert_int_equal(decode(bytes, sizeof(bytes), &is_damaged), 0);
	assert_true(is_damaged);
	bytes[10] = 2; /* the tenth byte may hold one bit */
	assert_int_equal(decode(bytes, sizeof(bytes), &is_damaged), 0);
	bytes[10] = 1;
	assert_int_equal(decode(bytes, 12, &is_damaged), 0); /* its address is 0xff: cut */
	bytes[11] = 2;
	assert_int_equal(decode(bytes, 12, &is_damaged), 1);
	assert_int_equal(events[0].time, UINT64_MAX);
}

static void a_record_longer_than_the_payload_is_damage(void **state)
{
	const uint8_t bytes[] = {LODE_RECORD_MARK, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2, 3};
	bool is_damaged;
	(void)state;
	assert_int_equal(decode(bytes, sizeof(bytes), &is_damaged), 0);
	assert_true(is_damaged);
}

static void fields_past_the_end_are_zero(void **state)
{
	const uint8_t bytes[] = {5, 9, 'a', 'b'}; /* a string that says 9 bytes and has 2 */
	struct lode_fields f = {.p = bytes, .end = bytes + sizeof(bytes)};
	size_t n;
	(void)state;
	assert_int_equal(lode_field_number(&f), 5);
	assert_memory_equal(lode_field_bytes(&f, &n), "ab", 2);
	assert_int_equal(n, 2);
	assert_true(f.is_short);
	assert_int_equal(lode_field_number(&f), 0);
	assert_non_null(lode_field_bytes(&f, &n));
	assert_int_equal(n, 0);
}

static void any_bytes_are_safe(void **state)
{
	uint64_t x = 1;
	bool is_damaged;
	(void)state;
	for (unsigned round = 0; round < 3000; round++) {
		uint8_t bytes[200];
		for (size_t i = 0; i < sizeof(bytes); i++) {
			x = x * UINT64_C(6364136223846793005) + 1442695040888963407;
			bytes[i] = (uint8_t)(x >> 33 & (round % 3 ? 0xff : 0xdf));
		}
		decode(bytes, x >> 40 & 127, &is_damaged);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_site_is_found_again),
		cmocka_unit_test(long_and_short_forms_say_the_same),
		cmocka_unit_test(extreme_values_survive),
		cmocka_unit_test(a_lane_record_resets_the_lane),
		cmocka_unit_test(unknown_long_records_are_skipped),
		cmocka_unit_test(a_cut_record_ends_the_lane),
		cmocka_unit_test(a_bad_tag_ends_the_lane),
		cmocka_unit_test(a_varint_of_65_bits_is_damage),
		cmocka_unit_test(a_record_longer_than_the_payload_is_damage),
		cmocka_unit_test(fields_past_the_end_are_zero),
		cmocka_unit_test(any_bytes_are_safe),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
