/* A flame graph as plain SVG: no script, so it may stand in a page, a mail or a README.  Root at
 * the top, the largest child at the left; boxes narrower than 0.1 % (or what is asked for) are left
 * out.  Hover shows a box's <title>. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "flame_tree.h"
#include "label.h"
#include "lib/error.h"
#include "lib/escape.h"
#include "out.h"

#define WIDTH  1200.0
#define MARGIN 10.0
#define HEADER 54.0
#define ROW    18.0
#define CHARACTER                                                                                  \
	6.7 /* width at 11 px of the fonts named below: 0.6 em, a little more to be safe */
#define FRACTION    0.001
#define LABEL_BYTES 512u

struct svg {
	const struct lode_profile *profile;
	const struct lode_out_options *options;
	const struct lode_flame_tree *tree;
	enum lode_measure measure;
	double least;	 /* what a box has to be worth to be drawn */
	uint32_t *order; /* children of node i: order[start[i]] up to order[start[i + 1] - 1], the
			    largest first */
	uint32_t *start;
	FILE *f;
};

static const char style[] =
	"text{font:11px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#16191f;pointer-events:none}"
	"text.h{font:bold 15px system-ui,sans-serif}text.s{font:12px system-ui,sans-serif}.g{fill:#fff}"
	".root,.other{fill:#e3e6ea}.python{fill:#f6c667}.native{fill:#a9c6ee}.inlined{fill:#a3d8d2}.special{fill:#cfd2d7}"
	".thread{fill:#d8cdea}.bar{fill:#b35c00;pointer-events:none}.hatch{fill:url(#h);pointer-events:none}"
	".dots{fill:url(#d);pointer-events:none}rect.b:hover{stroke:#000;stroke-width:1}"
	"@media(prefers-color-scheme:dark){text{fill:#f2f3f5}.g{fill:#15171b}.root,.other{fill:#2b2f37}.python{fill:#7a5a1e}"
	".native{fill:#3a5580}.inlined{fill:#2f625d}.special{fill:#4a4d54}.thread{fill:#51456b}.bar{fill:#ffb84d}"
	"rect.b:hover{stroke:#fff}}";

/* ---- order ---------------------------------------------------------------------------------- */

struct weight {
	int64_t value;
	uint32_t node;
};

static int by_weight(const void *a, const void *b)
{
	const struct weight *x = a, *y = b;

	if (x->value != y->value)
		return x->value < y->value ? 1 : -1;
	return x->node < y->node ? -1 : x->node > y->node;
}

/* Counting sort by parent, then each parent's slice by weight. */
static void order_children(struct svg *s)
{
	const struct lode_flame_tree *t = s->tree;
	struct weight *all = lode_alloc((t->node_count + 1) * sizeof(*all));
	uint32_t *fill;

	s->start = lode_alloc_zeroed(t->node_count + 2, sizeof(*s->start));
	s->order = lode_alloc_zeroed(t->node_count + 1, sizeof(*s->order));
	for (size_t i = 1; i < t->node_count; i++)
		s->start[t->nodes[i].parent + 1]++;
	for (size_t i = 0; i < t->node_count; i++)
		s->start[i + 1] += s->start[i];
	fill = lode_alloc((t->node_count + 1) * sizeof(*fill));
	memcpy(fill, s->start, t->node_count * sizeof(*fill));
	for (size_t i = 1; i < t->node_count; i++)
		all[fill[t->nodes[i].parent]++] =
			(struct weight){ t->total[s->measure][i], (uint32_t)i };
	for (size_t i = 0; i < t->node_count; i++)
		qsort(all + s->start[i], s->start[i + 1] - s->start[i], sizeof(*all), by_weight);
	for (size_t i = 0; i + 1 < t->node_count; i++)
		s->order[i] = all[i].node;
	free(all);
	free(fill);
}

/* ---- text ----------------------------------------------------------------------------------- */

static void put_amount(FILE *f, int64_t value, const char *unit)
{
	static const char *const sizes[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
	double v = (double)value;
	size_t i = 0;

	if (!strcmp(unit, "ns")) {
		fprintf(f,
			v >= 1e9   ? "%.2f s"
			: v >= 1e6 ? "%.1f ms"
				   : "%.1f \302\265s",
			v >= 1e9   ? v / 1e9
			: v >= 1e6 ? v / 1e6
				   : v / 1e3);
	} else if (!strcmp(unit, "bytes")) {
		while (v >= 1024 && i + 1 < sizeof(sizes) / sizeof(*sizes)) {
			v /= 1024;
			i++;
		}
		fprintf(f, "%.*f %s", i && v < 100 ? 1 : 0, v, sizes[i]);
	} else {
		fprintf(f, "%" PRId64, value);
	}
}

/* Columns of the character that starts here and its bytes: wide scripts take two.  Broken UTF-8 is
 * one byte, one column. */
static size_t character(const char *s, size_t *columns)
{
	unsigned char c = (unsigned char)*s;
	size_t n = c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

	for (size_t i = 1; i < n; i++)
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			n = i;
	*columns = n >= 3 && c >= 0xe1 ? 2 : 1;
	return n;
}

/* Cuts to so many columns, in place, with an ellipsis. False: no room for anything worth reading.
 */
static bool cut(char *s, size_t room)
{
	size_t at = 0, used = 0, columns, keep = 0;

	while (s[at]) {
		size_t n = character(s + at, &columns);

		if (used + columns > room)
			break;
		used += columns;
		at += n;
		if (used + 1 <= room)
			keep = at;
	}
	if (!s[at])
		return true;
	if (room < 3 || keep + 4 > LABEL_BYTES)
		return false;
	memcpy(s + keep, "\342\200\246", 4);
	return true;
}

static const char *label_of(const struct svg *s, uint32_t node, char *buf)
{
	uint32_t function = s->tree->nodes[node].function;

	if (!node)
		return "all";
	if (function == LODE_FLAME_OTHER)
		return "(other)";
	lode_frame_label(&s->profile->frames[s->tree->functions[function]], s->options->lines, buf,
			 LABEL_BYTES);
	return buf;
}

static void put_title(const struct svg *s, uint32_t node, const char *label)
{
	const int64_t *self = s->tree->self[s->measure], *total = s->tree->total[s->measure];
	const char *unit = lode_measure_units[s->measure];

	fputs("<title>", s->f);
	lode_put_xml(s->f, label);
	fputs("\n", s->f);
	put_amount(s->f, total[node], unit);
	fprintf(s->f, ", %.2f %%; self ", 100.0 * (double)total[node] / (double)total[0]);
	put_amount(s->f, self[node], unit);
	fputs("</title>", s->f);
}

/* ---- boxes ---------------------------------------------------------------------------------- */

static const char *class_of(const struct svg *s, uint32_t node)
{
	uint32_t function = s->tree->nodes[node].function;

	if (!node)
		return "root";
	if (function == LODE_FLAME_OTHER)
		return "other";
	return lode_frame_kind_words[s->profile->frames[s->tree->functions[function]].kind];
}

/* Kinds differ by a pattern as well as by colour, as on the page. */
static void put_mark(const struct svg *s, const char *class, double x, double y, double w)
{
	const char *mark = !strcmp(class, "inlined")   ? "hatch"
			   : !strcmp(class, "special") ? "dots"
						       : NULL;

	if (!strcmp(class, "python") && w > 8)
		fprintf(s->f,
			"<rect class=\"bar\" x=\"%.1f\" y=\"%.0f\" width=\"3\" height=\"%.0f\"/>",
			x, y, ROW - 1);
	else if (mark)
		fprintf(s->f,
			"<rect class=\"%s\" x=\"%.1f\" y=\"%.0f\" width=\"%.1f\" height=\"%.0f\"/>",
			mark, x, y, w, ROW - 1);
}

static void put_box(const struct svg *s, uint32_t node, double x, double y, double w)
{
	char buf[LABEL_BYTES], short_label[LABEL_BYTES];
	const char *label = label_of(s, node, buf), *class = class_of(s, node);

	w = w > 1.5 ? w - 0.5 : w;
	fprintf(s->f,
		"<g><rect class=\"b %s\" x=\"%.1f\" y=\"%.0f\" width=\"%.1f\" height=\"%.0f\" rx=\"1\">",
		class, x, y, w, ROW - 1);
	put_title(s, node, label);
	fputs("</rect>", s->f);
	put_mark(s, class, x, y, w);
	snprintf(short_label, sizeof(short_label), "%s", label);
	if (w > 3 * CHARACTER + 8 && cut(short_label, (size_t)((w - 8) / CHARACTER))) {
		fprintf(s->f, "<text x=\"%.1f\" y=\"%.0f\">", x + 5, y + ROW - 5);
		lode_put_xml(s->f, short_label);
		fputs("</text>", s->f);
	}
	fputs("</g>\n", s->f);
}

/* Parents come before children, so positions flow down in one loop; children follow their parent's
 * order. */
static void put_boxes(const struct svg *s, const uint32_t *depth)
{
	const int64_t *total = s->tree->total[s->measure];
	double *left = lode_alloc_zeroed(s->tree->node_count, sizeof(*left));
	double scale = (WIDTH - 2 * MARGIN) / (double)total[0];

	left[0] = MARGIN;
	for (uint32_t i = 0; i < s->tree->node_count; i++) {
		double x = left[i];

		if ((double)total[i] >= s->least)
			put_box(s, i, x, HEADER + depth[i] * ROW, (double)total[i] * scale);
		for (uint32_t c = s->start[i]; c < s->start[i + 1]; c++) {
			left[s->order[c]] = x;
			x += (double)total[s->order[c]] * scale;
		}
	}
	free(left);
}

static void put_header(const struct svg *s, double height)
{
	const struct lode_profile *p = s->profile;
	const char *title = s->options->title ? s->options->title
			    : p->title	      ? p->title
					      : "recording";

	fprintf(s->f,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" version=\"1.1\" "
		"width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-labelledby=\"t\">\n<title id=\"t\">",
		WIDTH, height, WIDTH, height);
	lode_put_xml(s->f, title);
	fprintf(s->f, ": %s</title>\n<style>%s</style>\n<defs>", lode_measure_texts[s->measure],
		style);
	fputs("<pattern id=\"h\" width=\"7\" height=\"7\" patternUnits=\"userSpaceOnUse\"><path d=\"M-1 8L8 -1\" stroke=\"#000\" "
	      "stroke-opacity=\".2\" stroke-width=\"1.5\"/></pattern><pattern id=\"d\" width=\"5\" height=\"5\" "
	      "patternUnits=\"userSpaceOnUse\"><circle cx=\"2\" cy=\"2\" r=\".9\" fill-opacity=\".25\"/></pattern></defs>\n",
	      s->f);
	fprintf(s->f,
		"<rect class=\"g\" width=\"100%%\" height=\"100%%\"/>\n<text class=\"h\" x=\"%.0f\" y=\"22\">",
		MARGIN);
	lode_put_xml(s->f, title);
	fprintf(s->f, "</text>\n<text class=\"s\" x=\"%.0f\" y=\"41\">%s: ", MARGIN,
		lode_measure_texts[s->measure]);
	put_amount(s->f, s->tree->total[s->measure] ? s->tree->total[s->measure][0] : 0,
		   lode_measure_units[s->measure]);
	if (p->is_truncated)
		fputs(" (the recording ended early or was damaged)", s->f);
	if (p->lost_events || p->lost_samples)
		fprintf(s->f, " (lost: %" PRIu64 " events, %" PRIu64 " samples)", p->lost_events,
			p->lost_samples);
	fprintf(s->f,
		" \302\267 bar: Python, plain: native, hatched: inlined \302\267 lode %s</text>\n",
		LODE_VERSION);
}

static void put_graph(struct svg *s)
{
	uint32_t *depth = lode_alloc_zeroed(s->tree->node_count, sizeof(*depth));
	uint32_t deepest = 0;

	for (size_t i = 1; i < s->tree->node_count; i++) {
		depth[i] = depth[s->tree->nodes[i].parent] + 1;
		if (depth[i] > deepest)
			deepest = depth[i];
	}
	put_header(s, HEADER + (deepest + 1) * ROW + MARGIN);
	order_children(s);
	put_boxes(s, depth);
	free(s->order);
	free(s->start);
	free(depth);
}

/* The measure asked for, or the first with something in it. */
static enum lode_measure measure_of(const struct lode_profile *p, enum lode_measure asked)
{
	if (lode_flame_has(p, asked))
		return asked;
	for (int m = 0; m < LODE_MEASURE_COUNT; m++)
		if (lode_flame_has(p, m))
			return m;
	return asked;
}

int lode_out_svg(const struct lode_profile *p, const struct lode_out_options *o, FILE *f)
{
	struct lode_flame_tree *t = lode_flame_tree_new(p, o->lines);
	struct svg s = {
		.profile = p, .options = o, .tree = t, .measure = measure_of(p, o->measure), .f = f
	};

	if (lode_flame_has(p, s.measure)) {
		double fraction = o->min_fraction > 0 ? o->min_fraction : FRACTION;

		s.least = fraction * (double)p->total[s.measure];
		lode_flame_tree_fold(t, fraction, s.measure);
		put_graph(&s);
	} else {
		put_header(&s, HEADER + MARGIN);
	}
	fputs("</svg>\n", f);
	lode_flame_tree_free(t);
	return ferror(f) ? lode_error("cannot write the SVG: the disk may be full") : 0;
}
