/* lode diff: two recordings, or two moments of one, row by row.  before, after and the change are
 * totals: a Python function's own memory is mostly allocated by native frames below it, so its self
 * alone would hide that it grew. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "diff.h"
#include "lib/error.h"
#include "lib/escape.h"
#include "out_rows.h"
#include "page.h"

enum { DEFAULT_ROWS = 20 };

struct pair {
	const struct lode_profile *before, *after;
	const char *names[2]; /* as typed */
	enum lode_measure measure;
	struct lode_view views[2];
	struct lode_diff diff;
};

/* FILE@MOMENT, where no file has that whole name. */
static bool names_moment(const char *file)
{
	return strchr(file, '@') && access(file, F_OK);
}

/* Two moments compare what lives then; two recordings what the views show by default. */
static enum lode_measure choose_measure(const struct lode_view_options *o, const struct pair *d)
{
	if (o->measure >= 0)
		return lode_cmd_measure(o, d->after);
	if (names_moment(d->names[0]) || names_moment(d->names[1]))
		return LODE_MEASURE_LIVE;
	bool has_cpu = d->before->total[LODE_MEASURE_SAMPLES] > 0 &&
		       d->after->total[LODE_MEASURE_SAMPLES] > 0;
	return has_cpu ? LODE_MEASURE_CPU : LODE_MEASURE_PEAK;
}

/* ---- text ------------------------------------------------------------------------------------ */

static const char *format_growth(char buf[LODE_UNIT_MAX], int64_t before, int64_t after)
{
	if (before <= 0)
		snprintf(buf, LODE_UNIT_MAX, "%s", after > 0 ? "new" : "-");
	else
		snprintf(buf, LODE_UNIT_MAX, "%+.1f%%",
			 100.0 * ((double)after - (double)before) / (double)before);
	return buf;
}

static void print_totals(const struct pair *d, const struct lode_output *out)
{
	static const enum lode_measure shown[] = {LODE_MEASURE_CPU,         LODE_MEASURE_ALLOCATED,
						  LODE_MEASURE_ALLOCATIONS, LODE_MEASURE_PEAK,
						  LODE_MEASURE_LIVE,        LODE_MEASURE_LEAKED};
	const char *const titles[] = {"before", "after", "change", "%", "in all"};
	struct lode_table t;
	lode_table_init(&t, titles, 5);
	for (size_t i = 0; i < sizeof(shown) / sizeof(*shown); i++) {
		enum lode_measure m = shown[i];
		int64_t before = d->before->total[m], after = d->after->total[m];
		char a[LODE_UNIT_MAX], b[LODE_UNIT_MAX], c[LODE_UNIT_MAX], e[LODE_UNIT_MAX];
		if (!d->before->self[m] && !d->after->self[m])
			continue;
		lode_table_add(&t, LODE_STYLE_PLAIN,
			       (const char *const[]){
				       lode_format_unit(a, lode_measure_units[m], before),
				       lode_format_unit(b, lode_measure_units[m], after),
				       lode_format_change(c, lode_measure_units[m], after - before),
				       format_growth(e, before, after), lode_measure_texts[m]});
	}
	lode_table_print(&t, out);
	lode_table_release(&t);
	fputc('\n', out->f);
}

static void add_row(struct lode_table *t, const struct pair *d, const struct lode_diff_row *r)
{
	const char *unit = lode_measure_units[d->measure];
	int64_t before = r->before_total, after = r->after_total;
	char a[LODE_UNIT_MAX], b[LODE_UNIT_MAX], c[LODE_UNIT_MAX], e[LODE_UNIT_MAX],
		g[LODE_UNIT_MAX], label[1024];
	enum lode_style style = after > before   ? LODE_STYLE_HOT
				: after < before ? LODE_STYLE_GOOD
						 : LODE_STYLE_PLAIN;
	lode_table_add(t, style,
		       (const char *const[]){
			       lode_format_change(c, unit, after - before),
			       lode_format_unit(a, unit, before), lode_format_unit(b, unit, after),
			       lode_format_change(e, unit, r->after - r->before),
			       lode_format_change(g, "count", r->after_count - r->before_count),
			       lode_diff_state_words[lode_diff_state(r)],
			       lode_row_label(r->view, r->row, label, sizeof(label))});
	if (r->view->by != LODE_BY_STACK)
		return;
	char *stack = lode_page_stack(r->view->profile, r->row->node, 16);
	lode_table_below(t, stack);
	free(stack);
}

static void print_text(const struct pair *d, const struct lode_view_options *o,
		       const struct lode_output *out)
{
	const char *const titles[] = {"change",
				      "before",
				      "after",
				      "self",
				      lode_page_counted(d->measure),
				      "",
				      lode_by_words[d->views[1].by]};
	size_t limit = lode_page_limit(o, DEFAULT_ROWS),
	       shown = d->diff.row_count < limit ? d->diff.row_count : limit;
	struct lode_table t;
	fputs(lode_style(out, LODE_STYLE_TITLE), out->f);
	lode_put_text(out->f, d->names[0]);
	fputs(" -> ", out->f);
	lode_put_text(out->f, d->names[1]);
	fprintf(out->f, "%s: %s\n", lode_style(out, LODE_STYLE_PLAIN),
		lode_measure_texts[d->measure]);
	print_totals(d, out);
	lode_table_init(&t, titles, 7);
	for (size_t i = 0; i < shown; i++)
		add_row(&t, d, &d->diff.rows[i]);
	lode_table_print(&t, out);
	lode_table_release(&t);
	if (shown < d->diff.row_count)
		fprintf(out->f, "%s%zu of %zu rows, the largest changes first; -n 0 shows all%s\n",
			lode_style(out, LODE_STYLE_DIM), shown, d->diff.row_count,
			lode_style(out, LODE_STYLE_PLAIN));
	lode_page_losses(out, d->before);
	lode_page_losses(out, d->after);
}

/* ---- JSON and CSV ---------------------------------------------------------------------------- */

static void put_change(struct lode_json *j, int64_t before, int64_t after)
{
	lode_json_put_int(j, "before", before);
	lode_json_put_int(j, "after", after);
	lode_json_put_int(j, "delta", after - before);
}

static void put_measures(struct lode_json *j, const struct pair *d)
{
	lode_json_key(j, "changes");
	lode_json_open(j, '{');
	for (int m = 0; m < LODE_MEASURE_COUNT; m++) {
		if (!d->before->self[m] && !d->after->self[m])
			continue;
		lode_json_key(j, lode_measure_words[m]);
		lode_json_open(j, '{');
		put_change(j, d->before->total[m], d->after->total[m]);
		lode_json_close(j, '}');
	}
	lode_json_close(j, '}');
}

static void put_row(struct lode_json *j, const struct lode_diff_row *r)
{
	lode_json_line(j);
	lode_json_open(j, '{');
	lode_json_row_name(j, r->view, r->row);
	put_change(j, r->before_total, r->after_total);
	lode_json_put_text(j, "state", lode_diff_state_words[lode_diff_state(r)]);
	lode_json_put_int(j, "self", r->after - r->before);
	lode_json_put_int(j, "total", r->after_total - r->before_total);
	lode_json_put_int(j, "count", r->after_count - r->before_count);
	lode_json_put_int(j, "before_self", r->before);
	lode_json_put_int(j, "after_self", r->after);
	lode_json_put_int(j, "before_count", r->before_count);
	lode_json_put_int(j, "after_count", r->after_count);
	lode_json_close(j, '}');
}

static void print_json(const struct pair *d, const struct lode_view_options *o, FILE *f)
{
	struct lode_json j;
	size_t limit = lode_page_limit(o, DEFAULT_ROWS),
	       shown = d->diff.row_count < limit ? d->diff.row_count : limit;
	lode_json_init(&j, f);
	lode_json_head(&j, "diff", d->after, d->measure);
	lode_json_put_text(&j, "before_recording", d->names[0]);
	lode_json_put_text(&j, "after_recording", d->names[1]);
	put_change(&j, d->before->total[d->measure], d->after->total[d->measure]);
	lode_json_line(&j);
	put_measures(&j, d);
	lode_json_line(&j);
	lode_json_put_text(&j, "by", lode_by_words[d->views[1].by]);
	lode_json_put_int(&j, "shown", (int64_t)shown);
	lode_json_put_int(&j, "dropped", (int64_t)(d->diff.row_count - shown));
	lode_json_key(&j, "rows");
	lode_json_open(&j, '[');
	for (size_t i = 0; i < shown; i++)
		put_row(&j, &d->diff.rows[i]);
	lode_json_close(&j, ']');
	lode_json_close(&j, '}');
	fputc('\n', f);
}

static void print_csv(const struct pair *d, const struct lode_view_options *o, FILE *f)
{
	size_t limit = lode_page_limit(o, DEFAULT_ROWS);
	fputs("name,file,line,module,state,before,after,delta\n", f);
	for (size_t i = 0; i < d->diff.row_count && i < limit; i++) {
		const struct lode_diff_row *r = &d->diff.rows[i];
		lode_csv_field(f, r->row->name);
		fputc(',', f);
		lode_csv_field(f, r->row->file);
		fprintf(f, ",%u,", r->row->line);
		lode_csv_field(f, r->row->module);
		fprintf(f, ",%s,%lld,%lld,%lld\n", lode_diff_state_words[lode_diff_state(r)],
			(long long)r->before_total, (long long)r->after_total,
			(long long)(r->after_total - r->before_total));
	}
}

/* ---- the command ----------------------------------------------------------------------------- */

/* 1 when the whole grew. */
static int answer(const struct pair *d)
{
	return d->after->total[d->measure] > d->before->total[d->measure] ? LODE_STATUS_NO
									  : LODE_STATUS_OK;
}

static int compare(struct pair *d, const struct lode_view_options *o)
{
	struct lode_output out;
	enum lode_by by = o->by < 0 ? LODE_BY_FUNCTION : (enum lode_by)o->by;
	d->measure = choose_measure(o, d);
	if (lode_output_open(&out, o, !o->json && !o->csv))
		return LODE_STATUS_USAGE;
	lode_view_init(&d->views[0], d->before, d->measure, by);
	lode_view_init(&d->views[1], d->after, d->measure, by);
	lode_diff_init(&d->diff, &d->views[0], &d->views[1]);
	lode_diff_sort(&d->diff, o->sort != LODE_SORT_SELF);
	if (o->json)
		print_json(d, o, out.f);
	else if (o->csv)
		print_csv(d, o, out.f);
	else
		print_text(d, o, &out);
	lode_diff_release(&d->diff);
	lode_view_release(&d->views[0]);
	lode_view_release(&d->views[1]);
	if (lode_output_close(&out))
		return LODE_STATUS_USAGE;
	return o->exit_code ? answer(d) : LODE_STATUS_OK;
}

static struct lode_profile *load_one(const struct lode_view_options *o, size_t i, int *status)
{
	struct lode_view_options one = *o;
	one.load.files = &o->files.items[i];
	one.load.file_count = 1;
	return lode_cmd_load(&one, status);
}

int lode_cmd_diff(int argc, char **argv)
{
	struct lode_view_options o;
	int status = lode_cmd_parse(&o, argc, argv, 2, 2), second = 0;
	if (status >= 0)
		return status;
	struct lode_profile *before = load_one(&o, 0, &status),
			    *after = before ? load_one(&o, 1, &second) : NULL;
	if (before && after) {
		struct pair d = {.before = before,
				 .after = after,
				 .names = {o.files.items[0], o.files.items[1]}};
		int answer_status = compare(&d, &o);
		status = status ? status : second ? second : answer_status;
	} else if (before) {
		status = second;
	}
	if (before)
		lode_profile_free(before);
	if (after)
		lode_profile_free(after);
	lode_view_options_release(&o);
	return status;
}
