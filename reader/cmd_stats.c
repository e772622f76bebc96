/* lode stats: counts, sizes, allocators, rates, losses, and what recording and reading took. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "lib/json.h"
#include "lode/format.h"
#include "out_rows.h"
#include "page.h"

enum { BAR = 40 };

static const char *how_text(size_t how)
{
	switch (how) {
#define X(id, name, text) \
	case id:          \
		return text;
		LODE_HOWS(X)
#undef X
	}
	return "unknown";
}

/* One list of the single figures: text and JSON print the same.  X(key, unit, text, value) */
#define FIGURES(X, p, s)                                                                          \
	X("events", "count", "events in the recording", (p)->events)                              \
	X("lost_events", "count", "lost events", (p)->lost_events)                                \
	X("lost_samples", "count", "lost samples", (p)->lost_samples)                             \
	X("python_dropped", "count", "stacks without their Python part (not trusted)",            \
	  (p)->python_dropped)                                                                    \
	X("allocations", "count", "allocations", (s)->allocations)                                \
	X("frees", "count", "frees", (s)->frees)                                                  \
	X("unmatched_frees", "count", "frees of blocks that were not seen", (s)->unmatched_frees) \
	X("inherited_frees", "count", "frees of a parent process's blocks", (s)->inherited_frees) \
	X("replaced_blocks", "count", "blocks whose free was not seen", (s)->replaced_blocks)     \
	X("maps", "count", "mappings made", (s)->maps)                                            \
	X("unmaps", "count", "mappings removed", (s)->unmaps)                                     \
	X("samples", "count", "CPU samples", (s)->samples)                                        \
	X("late_samples", "count", "of them taken at a hook's end", (s)->late_samples)            \
	X("residues", "count", "threads' CPU time after the last sample", (s)->residues)          \
	X("stacks", "count", "distinct stacks", (s)->stacks)                                      \
	X("rss_peak_bytes", "bytes", "most resident memory", (s)->rss_peak_bytes)                 \
	X("arena_bytes", "bytes", "most held in the interpreter's arenas", (s)->arena_bytes)      \
	X("arena_at_peak_bytes", "bytes", "of them at the peak", (s)->arena_at_peak)              \
	X("reserved_bytes", "bytes", "most address space reserved without memory",                \
	  (s)->reserved_bytes)                                                                    \
	X("reserved_at_peak_bytes", "bytes", "of it at the peak", (s)->reserved_at_peak)          \
	X("file_bytes", "bytes", "most mapped from files", (s)->file_bytes)                       \
	X("file_at_peak_bytes", "bytes", "of it at the peak", (s)->file_at_peak)                  \
	X("recording_bytes", "bytes", "size of the recording", (s)->recording_bytes)              \
	X("raw_bytes", "bytes", "its records before compression", (s)->raw_bytes)                 \
	X("blocks", "count", "its blocks", (s)->blocks)

/* One row of the allocators' table.  The last one is what the program mapped itself: with it the rows are what was
 * allocated in all. */
struct how {
	const char *text;
	uint64_t count, bytes;
};
enum { HOWS = LODE_PROFILE_HOWS + 1 };

static struct how how_of(const struct lode_profile_stats *s, size_t i)
{
	if (i == LODE_PROFILE_HOWS)
		return (struct how){"mappings", s->mapped_count, s->mapped_bytes};
	return (struct how){how_text(i), s->how_count[i], s->how_bytes[i]};
}

static double per_second(uint64_t n, uint64_t ns)
{
	return ns ? (double)n * 1e9 / (double)ns : 0;
}

static uint64_t range_of(const struct lode_profile *p)
{
	return p->to_ns > p->from_ns ? p->to_ns - p->from_ns : p->duration_ns;
}

/* Sizes of slot i: 0, then 2^(i-1) .. 2^i - 1. */
static uint64_t first_size(size_t i)
{
	return i ? UINT64_C(1) << (i - 1) : 0;
}

static uint64_t last_size(size_t i)
{
	return i >= 64 ? UINT64_MAX : (UINT64_C(1) << i) - 1;
}

/* ---- text ------------------------------------------------------------------------------------ */

static void put_title(const struct lode_output *out, const char *title)
{
	fprintf(out->f, "\n%s%s%s\n", lode_style(out, LODE_STYLE_TITLE), title,
		lode_style(out, LODE_STYLE_PLAIN));
}

static void print_figures(const struct lode_profile *p, const struct lode_output *out)
{
	const struct lode_profile_stats *s = &p->stats;
	char value[LODE_UNIT_MAX];
	for (int m = 0; m < LODE_MEASURE_COUNT; m++)
		if (p->self[m])
			fprintf(out->f, "%14s  %s\n",
				lode_format_unit(value, lode_measure_units[m], p->total[m]),
				lode_measure_texts[m]);
	put_title(out, "Counted");
#define X(key, unit, text, number)                                                              \
	if (number)                                                                             \
		fprintf(out->f, "%14s  %s\n", lode_format_unit(value, unit, (int64_t)(number)), \
			text);
	FIGURES(X, p, s)
#undef X
	if (!p->lost_events && !p->lost_samples)
		fprintf(out->f, "%14s  events and samples lost\n", "0");
}

static void print_rates(const struct lode_profile *p, const struct lode_output *out)
{
	const struct lode_profile_stats *s = &p->stats;
	char a[LODE_UNIT_MAX], b[LODE_UNIT_MAX];
	uint64_t range = range_of(p);
	put_title(out, "Rates");
	fprintf(out->f, "%14s  allocations a second\n",
		lode_format_count(a, (int64_t)per_second(s->allocations, range)));
	fprintf(out->f, "%14s  allocated a second\n",
		lode_format_bytes(
			a, (int64_t)per_second((uint64_t)p->total[LODE_MEASURE_ALLOCATED], range)));
	if (p->total[LODE_MEASURE_ALLOCATIONS] > 0)
		fprintf(out->f, "%14s  mean size\n",
			lode_format_bytes(a, p->total[LODE_MEASURE_ALLOCATED] /
						     p->total[LODE_MEASURE_ALLOCATIONS]));
	if (p->events && s->raw_bytes)
		fprintf(out->f, "%14.2f  bytes an event, %.2f in the file\n",
			(double)s->raw_bytes / (double)p->events,
			(double)s->recording_bytes / (double)p->events);
	if (s->read_seconds > 0)
		fprintf(out->f, "%14s  to replay them: %s events a second\n",
			lode_format_ns(a, (int64_t)(s->read_seconds * 1e9)),
			lode_format_count(b, (int64_t)((double)p->events / s->read_seconds)));
}

static void print_hows(const struct lode_profile *p, const struct lode_output *out)
{
	const char *const titles[] = {"calls", "%", "bytes", "%", "mean", "allocator"};
	const struct lode_profile_stats *s = &p->stats;
	int64_t calls = 0, bytes = 0;
	struct lode_table t;
	for (size_t i = 0; i < HOWS; i++) {
		calls += (int64_t)how_of(s, i).count;
		bytes += (int64_t)how_of(s, i).bytes;
	}
	if (!calls)
		return;
	put_title(out, "Allocators");
	lode_table_init(&t, titles, 6);
	for (size_t i = 0; i < HOWS; i++) {
		char a[LODE_UNIT_MAX], b[LODE_UNIT_MAX], c[LODE_UNIT_MAX], d[LODE_UNIT_MAX],
			e[LODE_UNIT_MAX];
		const struct how how = how_of(s, i);
		int64_t n = (int64_t)how.count, size = (int64_t)how.bytes;
		if (n)
			lode_table_add(&t, LODE_STYLE_PLAIN,
				       (const char *const[]){lode_format_count(a, n),
							     lode_format_percent(b, n, calls),
							     lode_format_bytes(c, size),
							     lode_format_percent(d, size, bytes),
							     lode_format_bytes(e, size / n),
							     how.text});
	}
	lode_table_print(&t, out);
	lode_table_release(&t);
}

static void print_sizes(const struct lode_profile *p, const struct lode_output *out)
{
	const uint64_t *n = p->stats.size_count;
	uint64_t most = 0;
	for (size_t i = 0; i < LODE_PROFILE_SIZES; i++)
		most = n[i] > most ? n[i] : most;
	if (!most)
		return;
	put_title(out, "Sizes of allocations");
	for (size_t i = 0; i < LODE_PROFILE_SIZES; i++) {
		char a[LODE_UNIT_MAX], b[LODE_UNIT_MAX], range[2 * LODE_UNIT_MAX + 4];
		if (!n[i])
			continue;
		lode_format_bytes(a, i < 64 ? (int64_t)first_size(i) : INT64_MAX);
		if (i < 2)
			snprintf(range, sizeof(range), "%s", a);
		else
			snprintf(range, sizeof(range), "%s .. %s", a,
				 i < 63 ? lode_format_bytes(b, (int64_t)last_size(i)) : "");
		fprintf(out->f, "%24s %14s  ", range, lode_format_count(b, (int64_t)n[i]));
		for (int bar = (int)((double)n[i] / (double)most * BAR + 0.5); bar > 0; bar--)
			fputs(out->has_utf8 ? "\u2588" : "#", out->f);
		fputc('\n', out->f);
	}
}

static void print_text(const struct lode_profile *p, const struct lode_output *out)
{
	char value[LODE_UNIT_MAX];
	fputs(lode_style(out, LODE_STYLE_TITLE), out->f);
	lode_put_fitting(out->f, p->title ? p->title : "recording", 0, out->has_utf8);
	fprintf(out->f, "%s: %s, %zu process%s, %zu thread%s\n", lode_style(out, LODE_STYLE_PLAIN),
		lode_format_ns(value, (int64_t)p->duration_ns), p->process_count,
		p->process_count == 1 ? "" : "es", p->thread_count, p->thread_count == 1 ? "" : "s");
	print_figures(p, out);
	print_rates(p, out);
	print_hows(p, out);
	print_sizes(p, out);
	lode_page_losses(out, p);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void put_hows(struct lode_json *j, const struct lode_profile_stats *s)
{
	lode_json_line(j);
	lode_json_key(j, "allocators");
	lode_json_open(j, '[');
	for (size_t i = 0; i < HOWS; i++) {
		const struct how how = how_of(s, i);
		if (!how.count)
			continue;
		lode_json_open(j, '{');
		lode_json_put_text(j, "name", how.text);
		lode_json_put_int(j, "count", (int64_t)how.count);
		lode_json_put_int(j, "bytes", (int64_t)how.bytes);
		lode_json_close(j, '}');
	}
	lode_json_close(j, ']');
}

static void put_sizes(struct lode_json *j, const struct lode_profile_stats *s)
{
	lode_json_line(j);
	lode_json_key(j, "sizes");
	lode_json_open(j, '[');
	for (size_t i = 0; i < LODE_PROFILE_SIZES; i++) {
		if (!s->size_count[i])
			continue;
		lode_json_open(j, '{');
		lode_json_put_int(j, "from", i < 64 ? (int64_t)first_size(i) : INT64_MAX);
		lode_json_put_int(j, "to", i < 64 ? (int64_t)last_size(i) : INT64_MAX);
		lode_json_put_int(j, "count", (int64_t)s->size_count[i]);
		lode_json_close(j, '}');
	}
	lode_json_close(j, ']');
}

/* Rows are the measures' totals; everything else has a key of its own. */
static void put_rows(struct lode_json *j, const struct lode_profile *p)
{
	lode_json_line(j);
	lode_json_key(j, "rows");
	lode_json_open(j, '[');
	for (int m = 0; m < LODE_MEASURE_COUNT; m++) {
		if (!p->self[m])
			continue;
		lode_json_open(j, '{');
		lode_json_put_text(j, "name", lode_measure_words[m]);
		lode_json_put_text(j, "unit", lode_measure_units[m]);
		lode_json_put_int(j, "total", p->total[m]);
		lode_json_close(j, '}');
	}
	lode_json_close(j, ']');
}

static void print_json(const struct lode_profile *p, FILE *f)
{
	const struct lode_profile_stats *s = &p->stats;
	struct lode_json j;
	lode_json_init(&j, f);
	lode_json_head(&j, "stats", p, LODE_MEASURE_COUNT);
	lode_json_key(&j, "counted");
	lode_json_open(&j, '{');
#define X(key, unit, text, number) lode_json_put_int(&j, key, (int64_t)(number));
	FIGURES(X, p, s)
#undef X
	lode_json_close(&j, '}');
	lode_json_put_double(&j, "allocations_per_second", per_second(s->allocations, range_of(p)));
	lode_json_put_double(&j, "allocated_bytes_per_second",
			     per_second((uint64_t)p->total[LODE_MEASURE_ALLOCATED], range_of(p)));
	lode_json_put_double(&j, "read_seconds", s->read_seconds);
	put_hows(&j, s);
	put_sizes(&j, s);
	put_rows(&j, p);
	lode_json_close(&j, '}');
	fputc('\n', f);
}

static void print(const struct lode_profile *p, const struct lode_view_options *o,
		  const struct lode_output *out)
{
	if (o->json)
		print_json(p, out->f);
	else
		print_text(p, out);
}

int lode_cmd_stats(int argc, char **argv)
{
	struct lode_view_options o;
	int status = lode_cmd_parse(&o, argc, argv, 1, 0);
	return status >= 0 ? status : lode_cmd_show(&o, print);
}
