/* Pieces of text that several views share. */
#include "page.h"

#include <stdlib.h>
#include <string.h>

#include "label.h"
#include "lib/error.h"
#include "lib/escape.h"

size_t lode_page_limit(const struct lode_view_options *o, size_t normal)
{
	if (o->limit > 0)
		return (size_t)o->limit;
	return o->limit == 0 || o->json || o->csv ? SIZE_MAX : normal;
}

const char *lode_page_counted(enum lode_measure m)
{
	switch (m) {
	case LODE_MEASURE_CPU:
	case LODE_MEASURE_SAMPLES:
	case LODE_MEASURE_WALL:
		return "samples";
	case LODE_MEASURE_ALLOCATED:
	case LODE_MEASURE_ALLOCATIONS:
	case LODE_MEASURE_TEMPORARY:
		return "allocations";
	case LODE_MEASURE_PEAK:
	case LODE_MEASURE_PEAK_BLOCKS:
	case LODE_MEASURE_LIVE:
	case LODE_MEASURE_LIVE_BLOCKS:
	case LODE_MEASURE_LEAKED:
	case LODE_MEASURE_LEAKED_BLOCKS:
	case LODE_MEASURE_COUNT:
		break;
	}
	return "blocks";
}

void lode_page_title(const struct lode_output *out, const struct lode_profile *p,
		     enum lode_measure m)
{
	char value[LODE_UNIT_MAX], count[LODE_UNIT_MAX];
	enum lode_measure counter = lode_measure_counter(m);
	fputs(lode_style(out, LODE_STYLE_TITLE), out->f);
	lode_put_text(out->f, p->title ? p->title : "recording");
	fprintf(out->f, "%s: %s: %s", lode_style(out, LODE_STYLE_PLAIN), lode_measure_texts[m],
		lode_format_unit(value, lode_measure_units[m], p->total[m]));
	if (counter != m && p->self[counter])
		fprintf(out->f, " (%s %s)", lode_format_count(count, p->total[counter]),
			lode_page_counted(m));
	if (m == LODE_MEASURE_PEAK || m == LODE_MEASURE_PEAK_BLOCKS)
		fprintf(out->f, ", at %s", lode_format_ns(value, (int64_t)p->peak_time_ns));
	if (m == LODE_MEASURE_LIVE || m == LODE_MEASURE_LIVE_BLOCKS)
		fprintf(out->f, ", at %s", lode_format_ns(value, (int64_t)p->at_ns));
	if (p->from_ns || (p->to_ns && p->to_ns < p->duration_ns)) {
		char to[LODE_UNIT_MAX];
		fprintf(out->f, ", from %s to %s", lode_format_ns(value, (int64_t)p->from_ns),
			lode_format_ns(to, (int64_t)p->to_ns));
	}
	fprintf(out->f, ", of %s\n", lode_format_ns(value, (int64_t)p->duration_ns));
}

static const char *row_word(enum lode_by by, bool is_one)
{
	static const char *const one[] = {"function", "line",    "file", "module", "stack",
					  "thread",   "process", "type", "site",
					  "line"};
	static const char *const many[] = {"functions", "lines",     "files", "modules", "stacks",
					   "threads",   "processes", "types", "sites",
					   "lines"};
	return (is_one ? one : many)[by];
}

static void print_rest(const struct lode_output *out, const struct lode_view *v, size_t shown)
{
	char value[LODE_UNIT_MAX], share[LODE_UNIT_MAX];
	int64_t rest = 0, whole = v->profile->total[v->measure];
	for (size_t i = shown; i < v->row_count; i++)
		rest += v->rows[i].self;
	fprintf(out->f,
		"%s%zu of %zu %s; the other %zu hold %s (%s of the total) themselves; -n 0 shows "
		"all%s\n",
		lode_style(out, LODE_STYLE_DIM), shown, v->row_count, row_word(v->by, false),
		v->row_count - shown, lode_format_unit(value, lode_measure_units[v->measure], rest),
		lode_format_percent(share, rest, whole), lode_style(out, LODE_STYLE_PLAIN));
}

void lode_page_rows(const struct lode_output *out, const struct lode_view *v, size_t limit)
{
	const char *unit = lode_measure_units[v->measure];
	const char *const titles[] = {
		"self", "%", "total", "%", lode_page_counted(v->measure), row_word(v->by, true)};
	int64_t whole = v->profile->total[v->measure];
	size_t shown = v->row_count < limit ? v->row_count : limit;
	struct lode_table t;
	lode_table_init(&t, titles, 6);
	for (size_t i = 0; i < shown; i++) {
		const struct lode_row *r = &v->rows[i];
		char self[LODE_UNIT_MAX], total[LODE_UNIT_MAX], count[LODE_UNIT_MAX],
			a[LODE_UNIT_MAX], b[LODE_UNIT_MAX];
		char label[1024];
		lode_table_add(&t, lode_style_of_share(r->self, whole),
			       (const char *const[]){lode_format_unit(self, unit, r->self),
						     lode_format_percent(a, r->self, whole),
						     lode_format_unit(total, unit, r->total),
						     lode_format_percent(b, r->total, whole),
						     lode_format_count(count, r->count),
						     lode_row_label(v, r, label, sizeof(label))});
	}
	lode_table_print(&t, out);
	lode_table_release(&t);
	if (!v->row_count)
		fprintf(out->f, "%s\n",
			v->profile->self[v->measure] ? "(nothing)" : "(not recorded)");
	if (shown < v->row_count)
		print_rest(out, v, shown);
}

void lode_page_late(const struct lode_output *out, const struct lode_profile *p,
		    enum lode_measure m)
{
	const struct lode_profile_stats *s = &p->stats;
	char late[LODE_UNIT_MAX], all[LODE_UNIT_MAX];
	if (lode_measure_counter(m) != LODE_MEASURE_SAMPLES || s->late_samples * 5 < s->samples ||
	    s->late_samples < 10)
		return;
	fprintf(out->f,
		"%s%s of %s samples hit the recording of memory itself: what allocates looks more "
		"expensive than it is;\nfor CPU time alone: lode record --memory off%s\n",
		lode_style(out, LODE_STYLE_DIM), lode_format_count(late, (int64_t)s->late_samples),
		lode_format_count(all, (int64_t)s->samples), lode_style(out, LODE_STYLE_PLAIN));
}

void lode_page_lost(const struct lode_output *out, const struct lode_profile *p)
{
	char a[LODE_UNIT_MAX], b[LODE_UNIT_MAX];
	fputs(lode_style(out, LODE_STYLE_WARM), out->f);
	if (p->lost_events || p->lost_samples)
		fprintf(out->f, "lost: %s events, %s samples: the figures above are without them\n",
			lode_format_count(a, (int64_t)p->lost_events),
			lode_format_count(b, (int64_t)p->lost_samples));
	if (p->python_dropped)
		fprintf(out->f,
			"%s stacks are without their Python frames, which could not be trusted\n",
			lode_format_count(a, (int64_t)p->python_dropped));
	if (p->is_truncated)
		fputs("the recording is damaged or ends early: this is what could be read\n",
		      out->f);
	fputs(lode_style(out, LODE_STYLE_PLAIN), out->f);
}

void lode_page_losses(const struct lode_output *out, const struct lode_profile *p)
{
	size_t missing = 0;
	for (size_t i = 0; i < p->notice_count; i++)
		missing += p->notices[i].severity > 0;
	lode_page_lost(out, p);
	if (missing)
		fprintf(out->f, "%s%zu notice%s what is missing here; see lode report%s\n",
			lode_style(out, LODE_STYLE_WARM), missing,
			missing == 1 ? " says" : "s say", lode_style(out, LODE_STYLE_PLAIN));
}

static bool is_python(const struct lode_profile *p, uint32_t node)
{
	return p->frames[p->nodes[node].frame].kind == LODE_FRAME_PYTHON;
}

/* How many frames stand from here up to the next Python frame, or to the root; 0: none, or this is
 * no part of Python. */
static size_t native_run(const struct lode_profile *p, uint32_t node, bool is_called_by_python)
{
	size_t n = 0;
	for (; node && !is_python(p, node); node = p->nodes[node].parent)
		n++;
	return node || is_called_by_python ? n : 0;
}

/* The interpreter's own frames around Python frames are many and say little: of those at the leaf
 * the first are shown, of the others how many they are. */
char *lode_page_stack(const struct lode_profile *p, uint32_t node, size_t most)
{
	enum { LEAVES_SHOWN = 2 };
	char *text = NULL, label[1024];
	size_t size, n = 0, left = 0;
	bool has_python = false;
	FILE *f = open_memstream(&text, &size);
	if (!f)
		return lode_copy_string("");
	for (; node; node = p->nodes[node].parent) {
		size_t run = most && (has_python || n >= LEAVES_SHOWN)
				     ? native_run(p, node, has_python)
				     : 0;
		if (most && n >= most) {
			left++;
			continue;
		}
		if (run > 1) {
			fprintf(f, "%s(%zu native frames)", n++ ? "\n" : "", run);
			while (--run)
				node = p->nodes[node].parent;
			continue;
		}
		has_python |= is_python(p, node);
		fprintf(f, "%s%s", n++ ? "\n" : "",
			lode_frame_label(&p->frames[p->nodes[node].frame], true, label,
					 sizeof(label)));
	}
	if (left)
		fprintf(f, "\n(and %zu more frames towards the root)", left);
	fclose(f);
	return text;
}
