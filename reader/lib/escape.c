/* Escaping of names for each place they are printed.  One loop decodes UTF-8 (RFC 3629: no overlong
 * forms, no surrogates, nothing above U+10FFFF; a bad byte is U+FFFD) and hands code points to the
 * place's own rule. */
#include "escape.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define REPLACEMENT 0xfffdu

/* Takes one code point from *s, which is not at its end. */
static uint32_t next_code_point(const char **s)
{
	const unsigned char *p = (const unsigned char *)*s;
	uint32_t c = *p++;
	unsigned more = c < 0x80		? 0
			: c >= 0xc2 && c < 0xe0 ? 1
			: c >= 0xe0 && c < 0xf0 ? 2
			: c >= 0xf0 && c < 0xf5 ? 3
						: 9;
	if (more == 9) {
		*s += 1;
		return REPLACEMENT;
	}
	if (more)
		c &= 0x3fu >> more;
	for (unsigned i = 0; i < more; i++) {
		if ((p[i] & 0xc0) != 0x80) {
			*s += 1 + i;
			return REPLACEMENT;
		}
		c = c << 6 | (p[i] & 0x3f);
	}
	*s += 1 + more;
	bool is_overlong = (more == 2 && c < 0x800) || (more == 3 && c < 0x10000);
	return is_overlong || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff ? REPLACEMENT : c;
}

static void put_code_point(FILE *f, uint32_t c)
{
	if (c < 0x80) {
		fputc((int)c, f);
		return;
	}
	if (c < 0x800) {
		fputc((int)(0xc0 | c >> 6), f);
	} else {
		if (c < 0x10000) {
			fputc((int)(0xe0 | c >> 12), f);
		} else {
			fputc((int)(0xf0 | c >> 18), f);
			fputc((int)(0x80 | (c >> 12 & 0x3f)), f);
		}
		fputc((int)(0x80 | (c >> 6 & 0x3f)), f);
	}
	fputc((int)(0x80 | (c & 0x3f)), f);
}

/* Characters that change how the text around them is shown (Unicode TR 9, "Trojan Source"), or that
 * break lines. */
static bool is_invisible_control(uint32_t c)
{
	return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) ||
	       (c >= 0x200b && c <= 0x200f) || c == 0x061c || c == 0x2028 || c == 0x2029 ||
	       c == 0xfeff || (c >= 0xe0000 && c <= 0xe007f);
}

struct range {
	uint32_t first, last;
};

static bool is_in(uint32_t c, const struct range *r, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (c >= r[i].first && c <= r[i].last)
			return true;
	return false;
}

/* Columns on a terminal: the blocks that are wide (UAX 11) or combining as a whole. */
static int columns_of(uint32_t c)
{
	static const struct range wide[] = {
		{0x1100, 0x115f},   {0x2e80, 0x303e},	{0x3041, 0xa4cf},   {0xac00, 0xd7a3},
		{0xf900, 0xfaff},   {0xfe30, 0xfe6f},	{0xff00, 0xff60},   {0xffe0, 0xffe6},
		{0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}};
	static const struct range combining[] = {
		{0x300, 0x36f},	  {0x483, 0x489},   {0x591, 0x5bd},   {0x610, 0x61a},
		{0x64b, 0x65f},	  {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x20d0, 0x20ff},
		{0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}};
	if (c < 0x300)
		return 1;
	if (is_in(c, combining, sizeof(combining) / sizeof(combining[0])))
		return 0;
	return is_in(c, wide, sizeof(wide) / sizeof(wide[0])) ? 2 : 1;
}

int lode_put_text(FILE *f, const char *s)
{
	int columns = 0;
	while (*s) {
		uint32_t c = next_code_point(&s);
		if (c < 0x20 || (c >= 0x7f && c < 0xa0)) {
			columns += fprintf(f, "\\x%02x", c);
		} else if (is_invisible_control(c)) {
			columns += fprintf(f, "\\u{%04x}", c);
		} else {
			put_code_point(f, c);
			columns += columns_of(c);
		}
	}
	return columns;
}

void lode_put_json(FILE *f, const char *s)
{
	fputc('"', f);
	while (*s) {
		uint32_t c = next_code_point(&s);
		if (c == '"' || c == '\\')
			fprintf(f, "\\%c", (char)c);
		else if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == '<' || c == '>' || c == '&' ||
			 c == 0x2028 || c == 0x2029)
			fprintf(f, "\\u%04x", c);
		else
			put_code_point(f, c);
	}
	fputc('"', f);
}

/* XML 1.0 has no way to write most control characters: they become U+FFFD. */
void lode_put_xml(FILE *f, const char *s)
{
	while (*s) {
		uint32_t c = next_code_point(&s);
		if (c == '&' || c == '<' || c == '>' || c == '"' || c == '\'' || c == '\t' ||
		    c == '\n' || c == '\r')
			fprintf(f, "&#%u;", c);
		else if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xfffe || c == 0xffff)
			put_code_point(f, REPLACEMENT);
		else
			put_code_point(f, c);
	}
}

/* A blank before digits that end the name would be read as a second count by flamegraph.pl. */
static const char *last_blank_before_digits(const char *s)
{
	size_t n = strlen(s), i = n;
	while (i && ((s[i - 1] >= '0' && s[i - 1] <= '9') || s[i - 1] == '.'))
		i--;
	return i && i < n && (unsigned char)s[i - 1] <= ' ' ? s + i - 1 : NULL;
}

void lode_put_folded(FILE *f, const char *s)
{
	const char *blank = last_blank_before_digits(s);
	if (!*s)
		fputc('?', f);
	while (*s) {
		bool is_blank_to_hide = s == blank;
		uint32_t c = next_code_point(&s);
		if (c == ';')
			c = ':';
		else if (is_blank_to_hide)
			c = '_';
		else if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029)
			c = *s ? ' ' : '_';
		else if (c == ' ' && !*s)
			c = '_';
		put_code_point(f, c);
	}
}
