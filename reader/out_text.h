/* Text for people: units, tables.  Names are escaped here; cells are raw text. */
#ifndef LODE_OUT_TEXT_H
#define LODE_OUT_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "output.h"

/* ---- units ----------------------------------------------------------------------------------- */

#define LODE_UNIT_MAX 32
/* IEC units with three significant digits: 0 B, 873 B, 1.23 KiB, 412 MiB. */
const char *lode_format_bytes(char buf[LODE_UNIT_MAX], int64_t bytes);
/* 12 ns, 1.23 ms, 12.3 s, 2 min 03 s, 1 h 02 min. */
const char *lode_format_ns(char buf[LODE_UNIT_MAX], int64_t ns);
/* 15,900,000 */
const char *lode_format_count(char buf[LODE_UNIT_MAX], int64_t n);
/* By the word of lode_measure_units. */
const char *lode_format_unit(char buf[LODE_UNIT_MAX], const char *unit, int64_t value);
/* The same with its sign, + for what grew. */
const char *lode_format_change(char buf[LODE_UNIT_MAX], const char *unit, int64_t value);
/* 12.3%; "-" where the whole is 0. */
const char *lode_format_percent(char buf[LODE_UNIT_MAX], int64_t part, int64_t whole);

/* ---- tables ---------------------------------------------------------------------------------- */

/* Columns of figures, right-aligned, then one column of text that may be long: on a terminal its
 * middle gives way. */
#define LODE_TABLE_COLUMNS 12

struct lode_table {
	const char *titles[LODE_TABLE_COLUMNS];
	size_t column_count; /* the last one is the text */
	struct lode_table_row *rows;
	size_t row_count, row_capacity;
};

struct lode_table_row {
	char *cells[LODE_TABLE_COLUMNS];
	enum lode_style style;
	char *below; /* lines printed under the row, indented; or NULL */
};

void lode_table_init(struct lode_table *t, const char *const *titles, size_t count);
/* Copies column_count cells. */
void lode_table_add(struct lode_table *t, enum lode_style style, const char *const *cells);
/* Lines under the row added last; copied. */
void lode_table_below(struct lode_table *t, const char *lines);
void lode_table_print(const struct lode_table *t, const struct lode_output *out);
void lode_table_release(struct lode_table *t);

/* The style of a row that holds this share of the whole: as perf, red from 5 %, yellow from 0.5 %.
 */
enum lode_style lode_style_of_share(int64_t part, int64_t whole);

/* Escaped, and of what is longer than `columns` the beginning and "...".  Only for people. */
void lode_put_beginning(FILE *f, const char *s, unsigned columns);
/* Escaped, and cut in its middle to `columns` (0: no limit).  Only for people. */
void lode_put_fitting(FILE *f, const char *s, unsigned columns, bool has_utf8);

#endif
