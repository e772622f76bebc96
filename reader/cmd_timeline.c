/* lode timeline: live memory, resident memory and CPU over time. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "lib/error.h"
#include "lib/json.h"
#include "out_rows.h"
#include "page.h"

enum series { SERIES_LIVE, SERIES_RSS, SERIES_CPU, SERIES_COUNT };
enum { COLUMNS_MOST = 240, ROW_HEIGHT = 4, LEVELS = 8 };

static const char *const titles[SERIES_COUNT] = {"live", "resident", "CPU"};

static uint64_t value_of(const struct lode_profile_point *p, enum series s)
{
	return s == SERIES_LIVE ? p->live_bytes : s == SERIES_RSS ? p->rss_bytes : p->cpu_ns;
}

/* A column shows the largest live and resident size of its time, and the CPU time used in it. */
static void fill_columns(const struct lode_profile *p, enum series s, uint64_t *columns, size_t n)
{
	uint64_t begin = p->from_ns, end = p->to_ns > begin ? p->to_ns : p->duration_ns;
	double span = end > begin ? (double)(end - begin) : 1;
	bool *is_set = lode_alloc_zeroed(n, sizeof(*is_set));
	for (size_t i = 0; i < p->point_count; i++) {
		uint64_t time = p->points[i].time_ns, v = value_of(&p->points[i], s);
		double where = time > begin ? (double)(time - begin) / span * (double)n : 0;
		size_t c = where < (double)n ? (size_t)where : n - 1;
		columns[c] = s == SERIES_CPU ? columns[c] + v : columns[c] > v ? columns[c] : v;
		is_set[c] = true;
	}
	for (size_t c = 1; c < n && s != SERIES_CPU; c++) /* no event: nothing changed */
		columns[c] = is_set[c] ? columns[c] : columns[c - 1];
	free(is_set);
}

/* One line of a chart: blocks of eighths, or '#' and '.' without UTF-8. */
static void put_line(const struct lode_output *out, const uint64_t *columns, size_t n,
		     uint64_t most, unsigned row)
{
	static const char *const blocks[LEVELS + 1] = {" ",      "\u2581", "\u2582",
						       "\u2583", "\u2584", "\u2585",
						       "\u2586", "\u2587", "\u2588"};
	static const char *const plain[LEVELS + 1] = {" ", ".", ".", ".", ":", ":", ":", "#", "#"};
	for (size_t c = 0; c < n; c++) {
		double level = most ? (double)columns[c] / (double)most * ROW_HEIGHT * LEVELS : 0;
		double here = level - (double)row * LEVELS;
		int i = here <= 0 ? 0 : here >= LEVELS ? LEVELS : (int)(here + 0.5);
		if (row == 0 && columns[c] && i == 0)
			i = 1; /* something is not nothing */
		fputs((out->has_utf8 ? blocks : plain)[i], out->f);
	}
}

static void put_chart(const struct lode_output *out, const struct lode_profile *p, enum series s,
		      size_t n)
{
	uint64_t columns[COLUMNS_MOST] = {0}, most = 0;
	char text[LODE_UNIT_MAX];
	fill_columns(p, s, columns, n);
	for (size_t c = 0; c < n; c++)
		most = columns[c] > most ? columns[c] : most;
	if (!most)
		return;
	if (s == SERIES_CPU)
		lode_format_ns(text, (int64_t)most);
	else
		lode_format_bytes(text, (int64_t)most);
	for (unsigned row = ROW_HEIGHT; row-- > 0;) {
		fprintf(out->f, "%8s %10s ", row == ROW_HEIGHT - 1 ? titles[s] : "",
			row == ROW_HEIGHT - 1 ? text
			: row == 0            ? "0"
					      : "");
		put_line(out, columns, n, most, row);
		fputc('\n', out->f);
	}
	fputc('\n', out->f);
}

static void print_text(const struct lode_profile *p, const struct lode_output *out)
{
	size_t room = out->width > 40 ? out->width - 21 : 79,
	       n = room < COLUMNS_MOST ? room : COLUMNS_MOST;
	char from[LODE_UNIT_MAX], to[LODE_UNIT_MAX], step[LODE_UNIT_MAX];
	uint64_t end = p->to_ns > p->from_ns ? p->to_ns : p->duration_ns;
	lode_page_title(out, p, p->self[LODE_MEASURE_PEAK] ? LODE_MEASURE_PEAK : LODE_MEASURE_CPU);
	if (!p->point_count) {
		fputs("(nothing happened)\n", out->f);
		return;
	}
	fputc('\n', out->f);
	for (int s = 0; s < SERIES_COUNT; s++)
		put_chart(out, p, (enum series)s, n);
	lode_format_ns(to, (int64_t)end);
	fprintf(out->f, "%19s %-*s%s\n", "", (int)(n > strlen(to) ? n - strlen(to) : 0),
		lode_format_ns(from, (int64_t)p->from_ns), to);
	fprintf(out->f, "%19s one column is %s; CPU: time used in a column\n", "",
		lode_format_ns(step, (int64_t)((end > p->from_ns ? end - p->from_ns : 0) / n)));
	lode_page_losses(out, p);
}

static void print_json(const struct lode_profile *p, FILE *f)
{
	struct lode_json j;
	lode_json_init(&j, f);
	lode_json_head(&j, "timeline", p,
		       p->self[LODE_MEASURE_PEAK] ? LODE_MEASURE_PEAK : LODE_MEASURE_CPU);
	lode_json_key(&j, "rows");
	lode_json_open(&j, '[');
	for (size_t i = 0; i < p->point_count; i++) {
		lode_json_line(&j);
		lode_json_open(&j, '{');
		lode_json_put_int(&j, "time_ns", (int64_t)p->points[i].time_ns);
		lode_json_put_int(&j, "live_bytes", (int64_t)p->points[i].live_bytes);
		lode_json_put_int(&j, "rss_bytes", (int64_t)p->points[i].rss_bytes);
		lode_json_put_int(&j, "cpu_ns", (int64_t)p->points[i].cpu_ns);
		lode_json_close(&j, '}');
	}
	lode_json_close(&j, ']');
	lode_json_close(&j, '}');
	fputc('\n', f);
}

static void print(const struct lode_profile *p, const struct lode_view_options *o,
		  const struct lode_output *out)
{
	if (o->json) {
		print_json(p, out->f);
	} else if (o->csv) {
		fputs("time_ns,live_bytes,rss_bytes,cpu_ns\n", out->f);
		for (size_t i = 0; i < p->point_count; i++)
			fprintf(out->f, "%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 "\n",
				p->points[i].time_ns, p->points[i].live_bytes,
				p->points[i].rss_bytes, p->points[i].cpu_ns);
	} else {
		print_text(p, out);
	}
}

int lode_cmd_timeline(int argc, char **argv)
{
	struct lode_view_options o;
	int status = lode_cmd_parse(&o, argc, argv, 1, 0);
	if (status >= 0)
		return status;
	o.load.want_timeline = true;
	return lode_cmd_show(&o, print);
}
