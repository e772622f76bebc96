/* .eh_frame_hdr holds a sorted table of (function, FDE), both 32 bits relative to the section; the FDE says how long the
 * function is (Linux Standard Base, "Exception Frames").  Only the encodings that linkers write for x86_64 and aarch64 are
 * read: whether an FDE has them is not looked up in its CIE but seen from its address, which must be the table's. */
#include "eh_frame.h"

#include <string.h>

enum { HEADER = 12, ROW = 8, FDE = 16 };

static int64_t signed_at(const uint8_t *p)
{
	int32_t n;
	memcpy(&n, p, sizeof(n));
	return n;
}

static uint64_t unsigned_at(const uint8_t *p)
{
	return (uint32_t)signed_at(p);
}

static size_t row_count(const struct lode_eh_frame *e)
{
	/* version 1; the pointer pcrel sdata4, the count udata4, the table datarel sdata4 */
	static const uint8_t usual[] = {1, 0x1b, 0x03, 0x3b};
	if (!e->header || !e->frames || e->header_bytes < HEADER ||
	    memcmp(e->header, usual, sizeof(usual)))
		return 0;
	uint64_t said = unsigned_at(e->header + 8), room = (e->header_bytes - HEADER) / ROW;
	return said < room ? said : room;
}

static uint64_t address_at(const struct lode_eh_frame *e, size_t row, size_t column)
{
	const uint8_t *p = e->header + HEADER + row * ROW + column * 4;
	return e->header_address + (uint64_t)signed_at(p);
}

bool lode_eh_frame_function(const struct lode_eh_frame *e, uint64_t address, uint64_t *start)
{
	size_t low = 0, high = row_count(e); /* the last row that starts at or before: low - 1 */
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (address_at(e, middle, 0) <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return false;
	uint64_t at = address_at(e, low - 1, 1) - e->frame_address;
	*start = address_at(e, low - 1, 0);
	if (at >= e->frame_bytes || e->frame_bytes - at < FDE)
		return false;
	const uint8_t *fde = e->frames + at; /* length, offset of its CIE, first address, bytes */
	return e->frame_address + at + 8 + (uint64_t)signed_at(fde + 8) == *start &&
	       address - *start < unsigned_at(fde + 12);
}
