/* lode top: the table of what costs most. */
#include <stdio.h>
#include <stdlib.h>

#include "cmd.h"
#include "lib/error.h"
#include "out_rows.h"
#include "out_text.h"
#include "page.h"

enum { DEFAULT_ROWS = 20 };

static int refuse_live_view(struct lode_view_options *o)
{
	lode_error("top: the live view is not in this version; record first: lode record %s, then "
		   "lode top FILE",
		   o->pids.count ? "--pid PID" : "-- CMD");
	lode_view_options_release(o);
	return LODE_STATUS_USAGE;
}

static void print_json(const struct lode_view *v, const struct lode_view_options *o, FILE *f)
{
	struct lode_json j;
	lode_json_init(&j, f);
	lode_json_head(&j, "top", v->profile, v->measure);
	lode_json_put_text(&j, "sort", lode_sort_words[o->sort < 0 ? LODE_SORT_SELF : o->sort]);
	lode_json_rows(&j, v, lode_page_limit(o, DEFAULT_ROWS));
	lode_json_close(&j, '}');
	fputc('\n', f);
}

static void print_text(const struct lode_view *v, const struct lode_view_options *o,
		       const struct lode_output *out)
{
	lode_page_title(out, v->profile, v->measure);
	lode_page_rows(out, v, lode_page_limit(o, DEFAULT_ROWS));
	lode_page_late(out, v->profile, v->measure);
	lode_page_losses(out, v->profile);
}

static void print(const struct lode_profile *p, const struct lode_view_options *o,
		  const struct lode_output *out)
{
	struct lode_view v;
	lode_view_init(&v, p, lode_cmd_measure(o, p),
		       o->by < 0 ? LODE_BY_FUNCTION : (enum lode_by)o->by);
	if (o->sort >= 0)
		lode_view_sort(&v, (enum lode_sort)o->sort);
	if (o->json)
		print_json(&v, o, out->f);
	else if (o->csv)
		lode_csv_rows(out->f, &v, lode_page_limit(o, DEFAULT_ROWS));
	else
		print_text(&v, o, out);
	lode_view_release(&v);
}

int lode_cmd_top(int argc, char **argv)
{
	struct lode_view_options o;
	int status = lode_cmd_parse(&o, argc, argv, 0, 0);
	if (status >= 0)
		return status;
	if (o.was_dashed || (o.pids.count && !o.files.count))
		return refuse_live_view(&o);
	if (o.files.count)
		return lode_cmd_show(&o, print);
	lode_error("top: no recording is named; usage: lode top [options] FILE...");
	lode_view_options_release(&o);
	return LODE_STATUS_USAGE;
}
