/* lode leaks: what is live at the end (or --at a moment), by the stack that allocated it, with its
 * age and whether it grows. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "lib/error.h"
#include "out_rows.h"
#include "page.h"
#include "verdict.h"

enum { DEFAULT_ROWS = 20, DEFAULT_DEPTH = 12 };

struct ages { /* of one row; has: the recording says */
	bool has;
	int64_t oldest_ns, youngest_ns;
};

static struct ages ages_of(const struct lode_profile *p, const struct lode_view *v,
			   const struct lode_row *r)
{
	struct ages a = {0};
	if (v->by != LODE_BY_STACK || v->measure != LODE_MEASURE_LEAKED || !p->oldest_ns ||
	    !p->youngest_ns || r->self_count <= 0)
		return a;
	uint64_t end = p->to_ns ? p->to_ns : p->duration_ns;
	a.has = true;
	a.oldest_ns = end > p->oldest_ns[r->node] ? (int64_t)(end - p->oldest_ns[r->node]) : 0;
	a.youngest_ns = end > p->youngest_ns[r->node] ? (int64_t)(end - p->youngest_ns[r->node])
						      : 0;
	return a;
}

static bool has_verdicts(const struct lode_view *v)
{
	return v->by == LODE_BY_STACK && v->measure == LODE_MEASURE_LEAKED &&
	       v->profile->survivors && v->profile->growth;
}

static int64_t sum_growing(const struct lode_view *v, size_t *stacks)
{
	int64_t bytes = 0;
	*stacks = 0;
	for (size_t i = 0; has_verdicts(v) && i < v->row_count; i++) {
		if (lode_verdict(v->profile, v->rows[i].node).kind != LODE_VERDICT_GROWING)
			continue;
		bytes += v->rows[i].self;
		++*stacks;
	}
	return bytes;
}

/* ---- text ------------------------------------------------------------------------------------ */

/* The leaf stands in the row; the others below it. */
static char *text_below(const struct lode_profile *p, const struct lode_row *r,
			const struct lode_view *v, size_t depth)
{
	char *stack = v->by == LODE_BY_STACK ? lode_page_stack(p, p->nodes[r->node].parent, depth)
					     : lode_copy_string("");
	struct lode_verdict verdict = {0};
	if (has_verdicts(v))
		verdict = lode_verdict(p, r->node);
	if (!*verdict.reason)
		return stack;
	size_t n = strlen(stack) + sizeof(verdict.reason) + 32;
	char *text = lode_alloc(n);
	snprintf(text, n, "%s%s= %s: %s", stack, *stack ? "\n" : "",
		 lode_verdict_words[verdict.kind], verdict.reason);
	free(stack);
	return text;
}

static void add_row(struct lode_table *t, const struct lode_view *v, const struct lode_row *r,
		    size_t depth)
{
	const struct lode_profile *p = v->profile;
	struct ages ages = ages_of(p, v, r);
	enum lode_verdict_kind kind = has_verdicts(v) ? lode_verdict(p, r->node).kind
						      : LODE_VERDICT_UNKNOWN;
	char bytes[LODE_UNIT_MAX], share[LODE_UNIT_MAX], blocks[LODE_UNIT_MAX],
		old[LODE_UNIT_MAX] = "-", young[LODE_UNIT_MAX] = "-";
	char label[1024];
	if (ages.has) {
		lode_format_ns(old, ages.oldest_ns);
		lode_format_ns(young, ages.youngest_ns);
	}
	int64_t value = v->by == LODE_BY_STACK ? r->self : r->total;
	lode_table_add(t, kind == LODE_VERDICT_GROWING ? LODE_STYLE_HOT : LODE_STYLE_PLAIN,
		       (const char *const[]){
			       lode_format_unit(bytes, lode_measure_units[v->measure], value),
			       lode_format_percent(share, value, p->total[v->measure]),
			       lode_format_count(blocks, r->count), old, young,
			       lode_verdict_words[kind],
			       lode_row_label(v, r, label, sizeof(label))});
	char *below = text_below(p, r, v, depth);
	if (*below)
		lode_table_below(t, below);
	free(below);
}

static void print_total(const struct lode_view *v, size_t shown, const struct lode_output *out)
{
	const struct lode_profile *p = v->profile;
	char bytes[LODE_UNIT_MAX], blocks[LODE_UNIT_MAX], growing[LODE_UNIT_MAX];
	size_t stacks;
	int64_t grows = sum_growing(v, &stacks);
	fprintf(out->f, "total: %s in %s blocks, %zu %s",
		lode_format_unit(bytes, lode_measure_units[v->measure], p->total[v->measure]),
		lode_format_count(blocks, p->total[lode_measure_counter(v->measure)]), v->row_count,
		v->by == LODE_BY_STACK ? "stacks" : "rows");
	if (has_verdicts(v))
		fprintf(out->f, "; growing: %s in %zu of them", lode_format_bytes(growing, grows),
			stacks);
	if (shown < v->row_count)
		fprintf(out->f, "; %zu rows are not shown, -n 0 shows all", v->row_count - shown);
	fputc('\n', out->f);
}

static bool has_python(const struct lode_profile *p)
{
	for (size_t i = 0; i < p->frame_count; i++)
		if (p->frames[i].kind == LODE_FRAME_PYTHON)
			return true;
	return false;
}

/* What a leak had gathered in a module's variables is freed with them. */
static void hint_at_peak(const struct lode_profile *p, const struct lode_view_options *o,
			 const struct lode_output *out)
{
	char peak[LODE_UNIT_MAX], time[LODE_UNIT_MAX];
	int64_t most = p->total[LODE_MEASURE_PEAK];
	if (o->load.at || o->load.to || most / 4 < p->total[LODE_MEASURE_LEAKED] || !has_python(p))
		return;
	fprintf(out->f,
		"%sa Python program frees its modules as it ends; at the peak, at %s, %s were live: "
		"lode leaks --at peak%s\n",
		lode_style(out, LODE_STYLE_DIM), lode_format_ns(time, (int64_t)p->peak_time_ns),
		lode_format_bytes(peak, most), lode_style(out, LODE_STYLE_PLAIN));
}

static void print_text(const struct lode_view *v, const struct lode_view_options *o,
		       const struct lode_output *out)
{
	const char *const titles[] = {
		"bytes", "%", "blocks", "oldest", "youngest", "verdict", lode_by_words[v->by]};
	size_t limit = lode_page_limit(o, DEFAULT_ROWS),
	       depth = o->depth >= 0 ? (size_t)o->depth : DEFAULT_DEPTH;
	size_t shown = v->row_count < limit ? v->row_count : limit;
	struct lode_table t;
	lode_page_title(out, v->profile, v->measure);
	lode_table_init(&t, titles, 7);
	for (size_t i = 0; i < shown; i++)
		add_row(&t, v, &v->rows[i], depth);
	lode_table_print(&t, out);
	lode_table_release(&t);
	if (!v->profile->self[v->measure])
		fputs("(not recorded)\n", out->f);
	print_total(v, shown, out);
	hint_at_peak(v->profile, o, out);
	lode_page_losses(out, v->profile);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void put_tenths(struct lode_json *j, const char *key, const uint64_t *values, uint32_t node)
{
	lode_json_key(j, key);
	lode_json_open(j, '[');
	for (size_t i = 0; i < LODE_PROFILE_TENTHS; i++)
		lode_json_int(j, (int64_t)values[(size_t)node * LODE_PROFILE_TENTHS + i]);
	lode_json_close(j, ']');
}

static void put_row(struct lode_json *j, const struct lode_view *v, const struct lode_row *r)
{
	const struct lode_profile *p = v->profile;
	struct ages ages = ages_of(p, v, r);
	lode_json_line(j);
	lode_json_open(j, '{');
	lode_json_row_name(j, v, r);
	lode_json_put_int(j, "self", r->self);
	lode_json_put_int(j, "total", r->total);
	lode_json_put_int(j, "count", r->count);
	if (ages.has) {
		lode_json_put_int(j, "oldest_ns", ages.oldest_ns);
		lode_json_put_int(j, "youngest_ns", ages.youngest_ns);
	}
	if (has_verdicts(v)) {
		struct lode_verdict verdict = lode_verdict(p, r->node);
		lode_json_put_text(j, "verdict", lode_verdict_words[verdict.kind]);
		lode_json_put_text(j, "reason", verdict.reason);
		put_tenths(j, "live_by_tenth", p->growth, r->node);
		put_tenths(j, "survivors_by_tenth", p->survivors, r->node);
	}
	lode_json_close(j, '}');
}

static void print_json(const struct lode_view *v, const struct lode_view_options *o, FILE *f)
{
	struct lode_json j;
	size_t limit = lode_page_limit(o, DEFAULT_ROWS),
	       shown = v->row_count < limit ? v->row_count : limit, stacks;
	int64_t grows = sum_growing(v, &stacks);
	lode_json_init(&j, f);
	lode_json_head(&j, "leaks", v->profile, v->measure);
	lode_json_put_int(&j, "growing", grows);
	lode_json_put_int(&j, "growing_stacks", (int64_t)stacks);
	lode_json_put_text(&j, "by", lode_by_words[v->by]);
	lode_json_put_int(&j, "shown", (int64_t)shown);
	lode_json_put_int(&j, "dropped", (int64_t)(v->row_count - shown));
	lode_json_key(&j, "rows");
	lode_json_open(&j, '[');
	for (size_t i = 0; i < shown; i++)
		put_row(&j, v, &v->rows[i]);
	lode_json_close(&j, ']');
	lode_json_close(&j, '}');
	fputc('\n', f);
}

static void print(const struct lode_profile *p, const struct lode_view_options *o,
		  const struct lode_output *out)
{
	struct lode_view v;
	enum lode_measure m = o->measure < 0 ? LODE_MEASURE_LEAKED : lode_cmd_measure(o, p);
	lode_view_init(&v, p, m, o->by < 0 ? LODE_BY_STACK : (enum lode_by)o->by);
	lode_view_sort(&v, o->sort >= 0            ? (enum lode_sort)o->sort
			   : v.by == LODE_BY_STACK ? LODE_SORT_SELF
						   : LODE_SORT_TOTAL);
	if (o->json)
		print_json(&v, o, out->f);
	else if (o->csv)
		lode_csv_rows(out->f, &v, lode_page_limit(o, DEFAULT_ROWS));
	else
		print_text(&v, o, out);
	lode_view_release(&v);
}

int lode_cmd_leaks(int argc, char **argv)
{
	struct lode_view_options o;
	int status = lode_cmd_parse(&o, argc, argv, 1, 0);
	if (status >= 0)
		return status;
	if (o.load.at &&
	    !o.load.to) /* what is live at a moment is what a recording that ends there leaks */
		o.load.to = o.load.at;
	return lode_cmd_show(&o, print);
}
