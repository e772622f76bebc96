/* lode check: limits for CI.  Prints one line a limit; status 1 when one is exceeded. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "lib/error.h"
#include "lib/escape.h"
#include "lib/json.h"
#include "page.h"

struct result {
	const char *what;
	const char *unit;
	int64_t value, limit, baseline; /* baseline: -1, none */
	bool is_exceeded;
	bool is_known; /* the recording holds the figure */
};

enum { RESULT_MOST = 16 };
struct results {
	struct result rows[RESULT_MOST];
	size_t count;
	bool is_bad;
};

static void judge(struct results *r, const char *what, const char *unit, int64_t value,
		  int64_t limit, int64_t baseline, bool is_known)
{
	struct result one = {what,    unit, value, limit, baseline, is_known && value > limit,
			     is_known};
	if (r->count < RESULT_MOST)
		r->rows[r->count++] = one;
	r->is_bad |= one.is_exceeded ||
		     !is_known; /* a figure that is not there cannot be said to be good */
}

static void judge_measure(struct results *r, const char *what, const struct lode_profile *p,
			  enum lode_measure m, int64_t limit)
{
	if (limit >= 0)
		judge(r, what, lode_measure_units[m], p->total[m], limit, -1, p->self[m] != NULL);
}

static int64_t live_at(const struct lode_profile *p, uint64_t time_ns)
{
	int64_t live = 0;
	for (size_t i = 0; i < p->point_count && p->points[i].time_ns <= time_ns; i++)
		live = (int64_t)p->points[i].live_bytes;
	return live;
}

/* From --from, or the middle: the first half is the program's own growing up.  The range is the
 * profile's, so `before` is its start when --from was given. */
static void judge_growth(struct results *r, const struct lode_profile *p,
			 const struct lode_view_options *o, int64_t bytes, double percent)
{
	uint64_t start = o->load.from ? p->from_ns : p->duration_ns / 2,
		 end = p->to_ns ? p->to_ns : p->duration_ns;
	int64_t before = live_at(p, start), growth = live_at(p, end) - before;
	judge(r, "growth", "bytes", growth,
	      percent >= 0 ? (int64_t)((double)before * percent / 100) : bytes, -1,
	      p->point_count > 0);
}

static void judge_baseline(struct results *r, const struct lode_profile *p,
			   const struct lode_profile *old, const struct lode_view_options *o)
{
	static const enum lode_measure compared[] = {LODE_MEASURE_PEAK, LODE_MEASURE_ALLOCATED,
						     LODE_MEASURE_ALLOCATIONS, LODE_MEASURE_LEAKED,
						     LODE_MEASURE_CPU};
	for (size_t i = 0; i < sizeof(compared) / sizeof(*compared); i++) {
		enum lode_measure m = compared[i];
		bool is_asked = o->measure >= 0
					? (int)m == o->measure
					: m != LODE_MEASURE_CPU; /* time is noise on CI machines */
		if (!is_asked || !p->self[m] || !old->self[m])
			continue;
		int64_t limit = (int64_t)((double)old->total[m] * (1 + o->tolerance / 100));
		judge(r, lode_measure_words[m], lode_measure_units[m], p->total[m], limit,
		      old->total[m], true);
	}
}

static void print_text(const struct results *r, const struct lode_profile *p,
		       const struct lode_output *out)
{
	for (size_t i = 0; i < r->count; i++) {
		const struct result *x = &r->rows[i];
		char value[LODE_UNIT_MAX], limit[LODE_UNIT_MAX], old[LODE_UNIT_MAX];
		bool is_bad = x->is_exceeded || !x->is_known;
		fprintf(out->f, "%s%-8s%s  %s ",
			lode_style(out, is_bad ? LODE_STYLE_HOT : LODE_STYLE_GOOD),
			is_bad ? "EXCEEDED" : "ok", lode_style(out, LODE_STYLE_PLAIN), x->what);
		if (!x->is_known)
			fputs("was not recorded", out->f);
		else
			fprintf(out->f, "%s, limit %s", lode_format_unit(value, x->unit, x->value),
				lode_format_unit(limit, x->unit, x->limit));
		if (x->baseline >= 0)
			fprintf(out->f, " (baseline %s)",
				lode_format_unit(old, x->unit, x->baseline));
		if (x->is_exceeded)
			fprintf(out->f, ": %s too much",
				lode_format_unit(value, x->unit, x->value - x->limit));
		fputc('\n', out->f);
	}
	lode_page_losses(out, p);
}

static void print_json(const struct results *r, const struct lode_profile *p, FILE *f)
{
	struct lode_json j;
	lode_json_init(&j, f);
	lode_json_open(&j, '{');
	lode_json_put_text(&j, "lode", LODE_VERSION);
	lode_json_put_text(&j, "command", "check");
	lode_json_put_text(&j, "recording", p->title);
	lode_json_put_bool(&j, "is_good", !r->is_bad);
	lode_json_put_int(&j, "lost_events", (int64_t)p->lost_events);
	lode_json_put_int(&j, "lost_samples", (int64_t)p->lost_samples);
	lode_json_key(&j, "rows");
	lode_json_open(&j, '[');
	for (size_t i = 0; i < r->count; i++) {
		const struct result *x = &r->rows[i];
		lode_json_line(&j);
		lode_json_open(&j, '{');
		lode_json_put_text(&j, "name", x->what);
		lode_json_put_text(&j, "unit", x->unit);
		lode_json_put_int(&j, "value", x->value);
		lode_json_put_int(&j, "limit", x->limit);
		if (x->baseline >= 0)
			lode_json_put_int(&j, "baseline", x->baseline);
		lode_json_put_bool(&j, "is_exceeded", x->is_exceeded);
		lode_json_put_bool(&j, "is_recorded", x->is_known);
		lode_json_close(&j, '}');
	}
	lode_json_close(&j, ']');
	lode_json_close(&j, '}');
	fputc('\n', f);
}

/* "200M" or "10%". */
static int parse_growth(const char *s, int64_t *bytes, double *percent)
{
	*bytes = *percent = -1;
	if (!s)
		return 0;
	bool is_percent = strchr(s, '%') != NULL;
	if (is_percent ? lode_parse_percent(s, percent) : lode_parse_bytes(s, bytes))
		return lode_error("check: '%s' is no value for --max-growth BYTES|P%%", s);
	return 0;
}

static struct lode_profile *load_baseline(const struct lode_view_options *o, int *status)
{
	struct lode_view_options old = *o;
	old.load.files = (const char *const[]){o->baseline};
	old.load.file_count = 1;
	return lode_cmd_load(&old, status);
}

static int show(const struct results *r, const struct lode_profile *p,
		const struct lode_view_options *o)
{
	struct lode_output out;
	if (lode_output_open(&out, o, !o->json))
		return LODE_STATUS_USAGE;
	if (o->json)
		print_json(r, p, out.f);
	else
		print_text(r, p, &out);
	if (lode_output_close(&out))
		return LODE_STATUS_USAGE;
	return r->is_bad ? LODE_STATUS_NO : LODE_STATUS_OK;
}

static int check(struct lode_view_options *o, int64_t growth_bytes, double growth_percent)
{
	struct results r = {0};
	int status, old_status = 0;
	struct lode_profile *p = lode_cmd_load(o, &status);
	if (!p)
		return status;
	struct lode_profile *old = o->baseline ? load_baseline(o, &old_status) : NULL;
	judge_measure(&r, "peak", p, LODE_MEASURE_PEAK, o->max_peak);
	judge_measure(&r, "leak", p, LODE_MEASURE_LEAKED, o->max_leak);
	judge_measure(&r, "allocated", p, LODE_MEASURE_ALLOCATED, o->max_allocated);
	judge_measure(&r, "allocations", p, LODE_MEASURE_ALLOCATIONS, o->max_allocations);
	judge_measure(&r, "cpu", p, LODE_MEASURE_CPU, o->max_cpu);
	if (growth_bytes >= 0 || growth_percent >= 0)
		judge_growth(&r, p, o, growth_bytes, growth_percent);
	if (old)
		judge_baseline(&r, p, old, o);
	if (!o->baseline ||
	    old) { /* a damaged recording stays 3: what it lacks may be what exceeds */
		int answer = show(&r, p, o);
		status = status ? status : old_status ? old_status : answer;
	} else {
		status = old_status;
	}
	if (old)
		lode_profile_free(old);
	lode_profile_free(p);
	return status;
}

int lode_cmd_check(int argc, char **argv)
{
	struct lode_view_options o;
	int64_t growth_bytes;
	double growth_percent;
	int status = lode_cmd_parse(&o, argc, argv, 1, 0);
	if (status >= 0)
		return status;
	bool has_limit = o.max_peak >= 0 || o.max_leak >= 0 || o.max_allocated >= 0 ||
			 o.max_allocations >= 0 || o.max_cpu >= 0 || o.max_growth || o.baseline;
	status = LODE_STATUS_USAGE;
	if (!has_limit) {
		lode_error("check: no limit is given; for example --max-peak 200M, --max-leak 0, "
			   "--baseline OLD");
	} else if (parse_growth(o.max_growth, &growth_bytes, &growth_percent) == 0) {
		o.load.want_timeline = o.max_growth != NULL;
		status = check(&o, growth_bytes, growth_percent);
	}
	lode_view_options_release(&o);
	return status;
}
