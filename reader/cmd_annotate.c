/* lode annotate: every line of a source file with its time and memory.  Native frames are left out
 * for a Python file: what a line's C functions do is the line's own, which is what a Python
 * programmer means. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "lib/error.h"
#include "lib/escape.h"
#include "out_rows.h"
#include "page.h"

struct column {
	enum lode_measure measure;
	bool is_total;
	const char *title, *key;
};

static const struct column columns[] = {
	{LODE_MEASURE_CPU, false, "CPU self", "cpu_self"},
	{LODE_MEASURE_CPU, true, "CPU total", "cpu_total"},
	{LODE_MEASURE_ALLOCATED, true, "allocated", "allocated"},
	{LODE_MEASURE_PEAK, true, "at peak", "peak"},
	{LODE_MEASURE_LEAKED, true, "leaked", "leaked"},
};
enum { COLUMN_COUNT = sizeof(columns) / sizeof(*columns) };

struct line {
	bool is_used;
	int64_t values[COLUMN_COUNT];
};

struct annotation {
	const struct lode_profile *p;
	const char *file;   /* as recorded */
	struct line *lines; /* by number; 0: unknown */
	size_t line_count;
};

static bool ends_with(const char *path, const char *end)
{
	size_t n = strlen(path), m = strlen(end);
	return m <= n && !strcmp(path + n - m, end) &&
	       (m == n || *end == '/' || path[n - m - 1] == '/');
}

/* The file that costs most among those of `kind` (LODE_FRAME_THREAD: any) whose path ends with
 * `end`. */
static const char *hottest_file(const struct lode_profile *p, const char *end)
{
	struct lode_view v;
	const char *best = NULL;
	int64_t most = -1;
	enum lode_measure m = p->self[LODE_MEASURE_CPU] && p->total[LODE_MEASURE_CPU]
				      ? LODE_MEASURE_CPU
				      : LODE_MEASURE_ALLOCATED;
	lode_view_init(&v, p, m, LODE_BY_FILE);
	for (size_t i = 0; i < v.row_count; i++) {
		const struct lode_row *r = &v.rows[i];
		if (!r->file || r->self <= most || (end && !ends_with(r->file, end)) ||
		    (!end && r->kind != LODE_FRAME_PYTHON) || (!end && *r->file == '<'))
			continue;
		best = r->file;
		most = r->self;
	}
	lode_view_release(&v);
	for (size_t i = 0; !best && end && i < p->frame_count; i++)
		if (p->frames[i].file && ends_with(p->frames[i].file, end))
			best = p->frames[i].file;
	return best;
}

/* A frame of the file: its line. */
static uint32_t line_of(const struct annotation *a, uint32_t node)
{
	const struct lode_frame *f = &a->p->frames[a->p->nodes[node].frame];
	return f->file && !strcmp(f->file, a->file) && f->line < a->line_count ? f->line
									       : UINT32_MAX;
}

/* Each value goes to its leaf's line (self), or to every line of its stack once (total). */
static void add_up(struct annotation *a, size_t column)
{
	const struct lode_profile *p = a->p;
	const int64_t *self = p->self[columns[column].measure];
	uint32_t *last = lode_alloc_zeroed(a->line_count,
					   sizeof(*last)); /* node that a line last counted for */
	for (uint32_t i = 1; self && i < p->node_count; i++) {
		for (uint32_t n = self[i] ? i : 0; n;
		     n = columns[column].is_total ? p->nodes[n].parent : 0) {
			uint32_t line = line_of(a, n);
			if (line == UINT32_MAX || last[line] == i)
				continue;
			last[line] = i;
			a->lines[line].values[column] += self[i];
			a->lines[line].is_used = true;
		}
	}
	free(last);
}

static void annotate(struct annotation *a, const struct lode_profile *p, const char *file)
{
	enum { LINE_MOST = 1 << 22 };
	*a = (struct annotation){.p = p, .file = file, .line_count = 1};
	for (size_t i = 0; i < p->frame_count; i++)
		if (p->frames[i].file && !strcmp(p->frames[i].file, file) &&
		    p->frames[i].line >= a->line_count && p->frames[i].line < LINE_MOST)
			a->line_count = (size_t)p->frames[i].line + 1;
	a->lines = lode_alloc_zeroed(a->line_count, sizeof(*a->lines));
	for (size_t c = 0; c < COLUMN_COUNT; c++)
		add_up(a, c);
}

/* ---- output ---------------------------------------------------------------------------------- */

static const char *format_cell(char buf[LODE_UNIT_MAX], const struct annotation *a, size_t line,
			       size_t column)
{
	int64_t v = line < a->line_count ? a->lines[line].values[column] : 0;
	return v ? lode_format_unit(buf, lode_measure_units[columns[column].measure], v) : "";
}

static void print_line(const struct annotation *a, const struct lode_output *out, size_t line,
		       const char *source)
{
	bool is_used = line < a->line_count && a->lines[line].is_used;
	int64_t whole = a->p->total[LODE_MEASURE_CPU] ? a->p->total[LODE_MEASURE_CPU]
						      : a->p->total[LODE_MEASURE_ALLOCATED];
	int64_t own = !is_used                        ? 0
		      : a->p->total[LODE_MEASURE_CPU] ? a->lines[line].values[0]
						      : a->lines[line].values[2];
	enum lode_style style = lode_style_of_share(own, whole);
	fputs(style == LODE_STYLE_PLAIN ? "" : lode_style(out, style), out->f);
	for (size_t c = 0; c < COLUMN_COUNT; c++) {
		char cell[LODE_UNIT_MAX];
		if (a->p->self[columns[c].measure])
			fprintf(out->f, "%9s  ", format_cell(cell, a, line, c));
	}
	fprintf(out->f, "%s%5zu  ",
		style == LODE_STYLE_PLAIN ? "" : lode_style(out, LODE_STYLE_PLAIN), line);
	for (; *source == '\t'; source++)
		fputs("        ", out->f);
	lode_put_text(out->f, source);
	fputc('\n', out->f);
}

static void print_source(const struct annotation *a, const struct lode_output *out, FILE *source)
{
	char *text = NULL;
	size_t size = 0, line = 0;
	ssize_t n;
	while ((n = getline(&text, &size, source)) >= 0) {
		text[strcspn(text, "\r\n")] = 0;
		print_line(a, out, ++line, text);
	}
	free(text);
	for (line++; line < a->line_count;
	     line++) /* the file is shorter now: its costs are not lost */
		if (a->lines[line].is_used)
			print_line(a, out, line, "(the file has no such line now)");
}

static void print_text(const struct annotation *a, const struct lode_output *out)
{
	FILE *source = fopen(a->file, "re");
	fputs(lode_style(out, LODE_STYLE_TITLE), out->f);
	lode_put_text(out->f, a->file);
	fprintf(out->f, "%s%s\n", lode_style(out, LODE_STYLE_PLAIN),
		source ? "" : ": the source cannot be read; lines with costs");
	fputs(lode_style(out, LODE_STYLE_TITLE), out->f);
	for (size_t c = 0; c < COLUMN_COUNT; c++)
		if (a->p->self[columns[c].measure])
			fprintf(out->f, "%9s  ", columns[c].title);
	fprintf(out->f, "%5s%s\n", "line", lode_style(out, LODE_STYLE_PLAIN));
	if (source)
		print_source(a, out, source);
	for (size_t line = 1; !source && line < a->line_count; line++)
		if (a->lines[line].is_used)
			print_line(a, out, line, "");
	if (source)
		fclose(source);
	for (size_t c = 0; c < COLUMN_COUNT; c++) {
		char cell[LODE_UNIT_MAX];
		enum lode_measure m = columns[c].measure;
		if (a->p->self[m] && (!c || columns[c - 1].measure != m))
			fprintf(out->f, "%s%s %s",
				c ? ", " : "in the whole recording: ", lode_measure_texts[m],
				lode_format_unit(cell, lode_measure_units[m], a->p->total[m]));
	}
	fputc('\n', out->f);
	lode_page_losses(out, a->p);
}

static void print_json(const struct annotation *a, FILE *f)
{
	struct lode_json j;
	lode_json_init(&j, f);
	lode_json_head(&j, "annotate", a->p, LODE_MEASURE_COUNT);
	lode_json_put_text(&j, "file", a->file);
	lode_json_key(&j, "rows");
	lode_json_open(&j, '[');
	for (size_t line = 0; line < a->line_count; line++) {
		if (!a->lines[line].is_used)
			continue;
		lode_json_line(&j);
		lode_json_open(&j, '{');
		lode_json_put_int(&j, "line", (int64_t)line);
		for (size_t c = 0; c < COLUMN_COUNT; c++)
			if (a->p->self[columns[c].measure])
				lode_json_put_int(&j, columns[c].key, a->lines[line].values[c]);
		lode_json_close(&j, '}');
	}
	lode_json_close(&j, ']');
	lode_json_close(&j, '}');
	fputc('\n', f);
}

static void print_csv(const struct annotation *a, FILE *f)
{
	fputs("line", f);
	for (size_t c = 0; c < COLUMN_COUNT; c++)
		fprintf(f, ",%s", columns[c].key);
	fputc('\n', f);
	for (size_t line = 0; line < a->line_count; line++) {
		if (!a->lines[line].is_used)
			continue;
		fprintf(f, "%zu", line);
		for (size_t c = 0; c < COLUMN_COUNT; c++)
			fprintf(f, ",%" PRId64, a->lines[line].values[c]);
		fputc('\n', f);
	}
}

/* ---- the command ----------------------------------------------------------------------------- */

static int show(const struct lode_profile *p, const struct lode_view_options *o, const char *file)
{
	struct lode_output out;
	struct annotation a;
	if (lode_output_open(&out, o, !o->json && !o->csv))
		return LODE_STATUS_USAGE;
	annotate(&a, p, file);
	if (o->json)
		print_json(&a, out.f);
	else if (o->csv)
		print_csv(&a, out.f);
	else
		print_text(&a, &out);
	free(a.lines);
	return lode_output_close(&out) ? LODE_STATUS_USAGE : LODE_STATUS_OK;
}

int lode_cmd_annotate(int argc, char **argv)
{
	struct lode_view_options o;
	int status = lode_cmd_parse(&o, argc, argv, 1, 2);
	if (status >= 0)
		return status;
	const char *source = o.files.count > 1 ? o.files.items[1] : NULL;
	o.load.file_count = 1;
	if (!o.load.only_native && (!source || ends_with(source, ".py") || strstr(source, ".py")))
		o.load.only_python = true;
	struct lode_profile *p = lode_cmd_load(&o, &status);
	const char *file = p ? hottest_file(p, source) : NULL;
	if (file) {
		int shown = show(p, &o, file);
		status = shown ? shown : status;
	} else if (p) {
		status = LODE_STATUS_USAGE;
		if (source)
			lode_error("annotate: no frame of '%s' is in '%s'; 'lode top --by file' "
				   "lists those that are",
				   source, o.files.items[0]);
		else
			lode_error("annotate: no Python file is in '%s'; name a source: lode "
				   "annotate FILE SOURCE",
				   o.files.items[0]);
	}
	if (p)
		lode_profile_free(p);
	lode_view_options_release(&o);
	return status;
}
