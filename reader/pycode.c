/* Python line tables.  Called by the profile loader for every (code, lasti) it has not seen.  Three formats, each the loop
 * of CPython's own PyCode_Addr2Line (Objects/codeobject.c of 3.8, 3.10 and 3.11; Objects/lnotab_notes.txt;
 * Objects/locations.md).  A table comes from the recording: every read is bounded and a table that ends early, or a line
 * that is no line, gives `first_line`. */
#include "pycode.h"

enum { NO_LINE = 0 };

/* 3.8, 3.9: pairs (u8 bytes, s8 lines).  The pair that leads past lasti does not count. */
static int64_t line_of_lnotab(int64_t line, const uint8_t *p, size_t bytes, int64_t lasti)
{
	int64_t at = 0;

	for (size_t i = 0; i + 1 < bytes; i += 2) {
		at += p[i];
		if (at > lasti)
			break;
		line += (int8_t)p[i + 1];
	}
	return line;
}

/* 3.10: pairs (u8 bytes, s8 lines), each an interval that ends after its bytes; -128: no line, the bytes still count. */
static int64_t line_of_linetable(int64_t line, const uint8_t *p, size_t bytes, int64_t lasti)
{
	int64_t end = 0;

	for (size_t i = 0; i + 1 < bytes; i += 2) {
		const int has_line = p[i + 1] != 0x80;

		if (has_line)
			line += (int8_t)p[i + 1];
		end += p[i];
		if (end > lasti)
			return has_line ? line : NO_LINE;
	}
	return NO_LINE;
}

/* Six bits a byte, lowest first, bit 6 set on all but the last; the lowest bit of the value is its sign. */
static int64_t read_signed(const uint8_t *p, size_t bytes)
{
	uint64_t v = 0;

	for (size_t i = 0; i < bytes && i < 10; i++) {
		v |= (uint64_t)(p[i] & 0x3f) << (6 * i);
		if (!(p[i] & 0x40))
			break;
	}
	v &= UINT32_MAX; /* as CPython, which reads an unsigned int */
	return v & 1 ? -(int64_t)(v >> 1) : (int64_t)(v >> 1);
}

/* 3.11 and later: entries of a first byte 0x80 | code << 3 | (units - 1) and bytes below 0x80. */
static int64_t line_of_locations(int64_t line, const uint8_t *p, size_t bytes, int64_t lasti)
{
	enum { ONE_LINE = 10, NO_COLUMNS = 13, LONG = 14, NONE = 15 };
	int64_t end = 0;

	for (size_t i = 0; i < bytes;) {
		const unsigned int code = p[i] >> 3 & 15;

		if (code == LONG || code == NO_COLUMNS)
			line += read_signed(p + i + 1, bytes - i - 1);
		else if (code >= ONE_LINE && code < NO_COLUMNS)
			line += code - ONE_LINE;
		end += ((p[i] & 7) + 1) * 2;
		if (end > lasti)
			return code == NONE ? NO_LINE : line;
		do
			i++;
		while (i < bytes && !(p[i] & 0x80));
	}
	return NO_LINE;
}

uint32_t lode_pycode_line(uint32_t version, uint32_t first_line, const uint8_t *table, size_t bytes, int64_t lasti)
{
	int64_t line;

	if (lasti < 0)
		return first_line;
	if (version >= 0x030b)
		line = line_of_locations(first_line, table, bytes, lasti);
	else if (version == 0x030a)
		line = line_of_linetable(first_line, table, bytes, lasti);
	else
		line = line_of_lnotab(first_line, table, bytes, lasti);
	return line > 0 && line <= INT32_MAX ? (uint32_t)line : first_line;
}
