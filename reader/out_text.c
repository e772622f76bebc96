/* Text for people: units, tables. */
#include "out_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/error.h"
#include "lib/escape.h"

/* ---- units ----------------------------------------------------------------------------------- */

static const char *three_digits(char buf[LODE_UNIT_MAX], double value, const char *unit)
{
	int decimals = fabs(value) < 9.995 ? 2 : fabs(value) < 99.95 ? 1 : 0;
	snprintf(buf, LODE_UNIT_MAX, "%.*f %s", decimals, value, unit);
	return buf;
}

const char *lode_format_bytes(char buf[LODE_UNIT_MAX], int64_t bytes)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double value = (double)bytes / 1024;
	size_t i = 0;
	if (bytes > -1024 && bytes < 1024) {
		snprintf(buf, LODE_UNIT_MAX, "%" PRId64 " B", bytes);
		return buf;
	}
	while (fabs(value) >= 999.5 && i < 5) {
		value /= 1024;
		i++;
	}
	return three_digits(buf, value, units[i]);
}

const char *lode_format_ns(char buf[LODE_UNIT_MAX], int64_t ns)
{
	double v = (double)ns, a = fabs(v);
	if (ns == 0)
		snprintf(buf, LODE_UNIT_MAX, "0 s");
	else if (a < 1e3)
		snprintf(buf, LODE_UNIT_MAX, "%" PRId64 " ns", ns);
	else if (a < 999.5e3)
		three_digits(buf, v / 1e3, "us");
	else if (a < 999.5e6)
		three_digits(buf, v / 1e6, "ms");
	else if (a < 119.95e9)
		three_digits(buf, v / 1e9, "s");
	else if (a < 7170e9)
		snprintf(buf, LODE_UNIT_MAX, "%.0f min %02.0f s", trunc(v / 60e9),
			 fmod(a, 60e9) / 1e9);
	else
		snprintf(buf, LODE_UNIT_MAX, "%.0f h %02.0f min", trunc(v / 3600e9),
			 fmod(a, 3600e9) / 60e9);
	return buf;
}

const char *lode_format_count(char buf[LODE_UNIT_MAX], int64_t n)
{
	char digits[LODE_UNIT_MAX];
	int length = snprintf(digits, sizeof(digits), "%" PRIu64,
			      n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
	char *p = buf;
	if (n < 0)
		*p++ = '-';
	for (int i = 0; i < length; i++) {
		if (i && (length - i) % 3 == 0)
			*p++ = ',';
		*p++ = digits[i];
	}
	*p = 0;
	return buf;
}

const char *lode_format_unit(char buf[LODE_UNIT_MAX], const char *unit, int64_t value)
{
	if (*unit == 'b')
		return lode_format_bytes(buf, value);
	return *unit == 'n' ? lode_format_ns(buf, value) : lode_format_count(buf, value);
}

const char *lode_format_change(char buf[LODE_UNIT_MAX], const char *unit, int64_t value)
{
	char plain[LODE_UNIT_MAX];
	lode_format_unit(plain, unit, value);
	snprintf(buf, LODE_UNIT_MAX, "%s%.30s", value > 0 ? "+" : "", plain);
	return buf;
}

const char *lode_format_percent(char buf[LODE_UNIT_MAX], int64_t part, int64_t whole)
{
	if (whole == 0)
		snprintf(buf, LODE_UNIT_MAX, "-");
	else
		snprintf(buf, LODE_UNIT_MAX, "%.1f%%", 100.0 * (double)part / (double)whole);
	return buf;
}

/* ---- tables ---------------------------------------------------------------------------------- */

enum lode_style lode_style_of_share(int64_t part, int64_t whole)
{
	double share = whole > 0 ? (double)part / (double)whole : 0;
	return share >= 0.05 ? LODE_STYLE_HOT : share >= 0.005 ? LODE_STYLE_WARM : LODE_STYLE_PLAIN;
}

void lode_table_init(struct lode_table *t, const char *const *titles, size_t count)
{
	*t = (struct lode_table){.column_count = count};
	for (size_t i = 0; i < count; i++)
		t->titles[i] = titles[i];
}

void lode_table_add(struct lode_table *t, enum lode_style style, const char *const *cells)
{
	if (t->row_count == t->row_capacity) {
		t->row_capacity = t->row_capacity ? t->row_capacity * 2 : 32;
		t->rows = lode_realloc(t->rows, t->row_capacity * sizeof(*t->rows));
	}
	struct lode_table_row *r = &t->rows[t->row_count++];
	*r = (struct lode_table_row){.style = style};
	for (size_t i = 0; i < t->column_count; i++)
		r->cells[i] = lode_copy_string(cells[i]);
}

void lode_table_below(struct lode_table *t, const char *lines)
{
	t->rows[t->row_count - 1].below = lode_copy_string(lines);
}

void lode_table_release(struct lode_table *t)
{
	for (size_t r = 0; r < t->row_count; r++) {
		for (size_t i = 0; i < t->column_count; i++)
			free(t->rows[r].cells[i]);
		free(t->rows[r].below);
	}
	free(t->rows);
	*t = (struct lode_table){0};
}

/* Code points: bytes that do not continue one.  Close enough to columns for names; figures are
 * ASCII. */
static size_t columns_of(const char *s)
{
	size_t n = 0;
	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static const char *skip_columns(const char *s, size_t n)
{
	while (n && *s) {
		s++;
		while (((unsigned char)*s & 0xc0) == 0x80)
			s++;
		n--;
	}
	return s;
}

void lode_put_beginning(FILE *f, const char *s, unsigned columns)
{
	char *text = NULL;
	size_t size;
	FILE *memory = open_memstream(&text, &size);
	if (!memory)
		return;
	lode_put_text(memory, s);
	fclose(memory);
	if (columns_of(text) <= columns)
		fputs(text, f);
	else
		fprintf(f, "%.*s...", (int)(skip_columns(text, columns - 3) - text), text);
	free(text);
}

void lode_put_fitting(FILE *f, const char *s, unsigned columns, bool has_utf8)
{
	char *text = NULL;
	size_t size;
	FILE *memory = columns ? open_memstream(&text, &size) : NULL;
	if (!memory) {
		lode_put_text(f, s);
		return;
	}
	lode_put_text(memory, s);
	fclose(memory);
	size_t width = columns_of(text), mark = has_utf8 ? 1 : 2;
	if (width <= columns || columns < mark + 8) {
		fputs(text, f);
	} else { /* the end says which file and line: it keeps more than half */
		size_t head = (columns - mark) * 2 / 5, tail = columns - mark - head;
		const char *rest = skip_columns(text, width - tail);
		fprintf(f, "%.*s%s%s", (int)(skip_columns(text, head) - text), text,
			has_utf8 ? "\u2026" : "..", rest);
	}
	free(text);
}

static void put_below(const struct lode_output *out, const char *lines)
{
	while (*lines) {
		const char *end = strchrnul(lines, '\n');
		char *line = strndup(lines, (size_t)(end - lines));
		fprintf(out->f, "      %s", lode_style(out, LODE_STYLE_DIM));
		if (line)
			lode_put_fitting(out->f, line, out->width > 20 ? out->width - 6 : 0,
					 out->has_utf8);
		fprintf(out->f, "%s\n", lode_style(out, LODE_STYLE_PLAIN));
		free(line);
		lines = *end ? end + 1 : end;
	}
}

void lode_table_print(const struct lode_table *t, const struct lode_output *out)
{
	size_t widths[LODE_TABLE_COLUMNS], used = 0, last = t->column_count - 1;
	for (size_t i = 0; i < last; i++) {
		widths[i] = columns_of(t->titles[i]);
		for (size_t r = 0; r < t->row_count; r++)
			if (columns_of(t->rows[r].cells[i]) > widths[i])
				widths[i] = columns_of(t->rows[r].cells[i]);
		used += widths[i] + 2;
	}
	fputs(lode_style(out, LODE_STYLE_TITLE), out->f);
	for (size_t i = 0; i < last; i++)
		fprintf(out->f, "%*s%s  ", (int)(widths[i] - columns_of(t->titles[i])), "",
			t->titles[i]);
	fprintf(out->f, "%s%s\n", t->titles[last], lode_style(out, LODE_STYLE_PLAIN));
	for (size_t r = 0; r < t->row_count; r++) {
		const struct lode_table_row *row = &t->rows[r];
		bool is_styled = row->style != LODE_STYLE_PLAIN;
		fputs(is_styled ? lode_style(out, row->style) : "", out->f);
		for (size_t i = 0; i < last; i++)
			fprintf(out->f, "%*s%s  ", (int)(widths[i] - columns_of(row->cells[i])), "",
				row->cells[i]);
		fputs(is_styled ? lode_style(out, LODE_STYLE_PLAIN) : "", out->f);
		lode_put_fitting(out->f, row->cells[last],
				 out->width > used + 20 ? out->width - (unsigned)used : 0,
				 out->has_utf8);
		fputc('\n', out->f);
		if (row->below)
			put_below(out, row->below);
	}
}
