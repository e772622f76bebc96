/* lode tree: the call tree in the terminal.  Children stand below their caller, the costliest
 * first; a chain of single calls keeps its indentation, so that deep stacks stay readable. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "label.h"
#include "lib/error.h"
#include "lib/escape.h"
#include "out_rows.h"
#include "page.h"

enum {
	JSON_DEPTH = 250, /* parsers recurse: Python's json gives up near 500 levels of objects */
	INDENT_MOST = 24, /* levels that still move to the right */
};

struct tree {
	const struct lode_profile *p;
	enum lode_measure measure;
	int64_t *total, *count; /* by node, inclusive */
	uint32_t *first, *next; /* children by total, largest first; 0: none */
	int64_t threshold;      /* nodes below are left out */
	size_t depth_limit, line_limit; /* lines: of the text */
	size_t hidden;
	int64_t hidden_self;
};

struct child {
	int64_t total;
	uint32_t node;
};

static int compare_children(const void *x, const void *y)
{
	const struct child *a = x, *b = y;
	if (a->total != b->total)
		return a->total < b->total ? 1 : -1;
	return a->node < b->node ? -1 : a->node > b->node;
}

/* Sorting all nodes by total and prepending from the smallest up leaves every list of siblings
 * sorted. */
static void link_children(struct tree *t)
{
	size_t n = t->p->node_count;
	struct child *all = lode_alloc((n + 1) * sizeof(*all));
	for (size_t i = 0; i < n; i++)
		all[i] = (struct child){t->total[i], (uint32_t)i};
	qsort(all, n, sizeof(*all), compare_children);
	for (size_t i = n; i-- > 0;) {
		uint32_t node = all[i].node;
		if (!node)
			continue;
		if (t->total[node] < t->threshold || t->total[node] <= 0) {
			t->hidden += t->total[node] > 0;
			t->hidden_self += t->p->self[t->measure][node];
			continue;
		}
		uint32_t parent = t->p->nodes[node].parent;
		t->next[node] = t->first[parent];
		t->first[parent] = node;
	}
	free(all);
}

static void tree_init(struct tree *t, const struct lode_profile *p,
		      const struct lode_view_options *o)
{
	double percent = o->min_percent >= 0 ? o->min_percent : o->json ? 0 : 1;
	*t = (struct tree){.p = p, .measure = lode_cmd_measure(o, p)};
	t->depth_limit = o->depth > 0 ? (size_t)o->depth : o->json ? JSON_DEPTH : SIZE_MAX;
	t->line_limit = o->limit > 0 ? (size_t)o->limit : SIZE_MAX;
	t->total = lode_inclusive(p, t->measure);
	t->count = lode_inclusive(p, lode_measure_counter(t->measure));
	if (!t->total)
		t->total = lode_alloc_zeroed(p->node_count + 1, sizeof(*t->total));
	if (!t->count)
		t->count = lode_alloc_zeroed(p->node_count + 1, sizeof(*t->count));
	t->threshold = (int64_t)((double)p->total[t->measure] * percent / 100);
	t->first = lode_alloc_zeroed(p->node_count + 1, sizeof(*t->first));
	t->next = lode_alloc_zeroed(p->node_count + 1, sizeof(*t->next));
	if (p->self[t->measure])
		link_children(t);
}

static void tree_release(struct tree *t)
{
	free(t->total);
	free(t->count);
	free(t->first);
	free(t->next);
}

static int64_t self_of(const struct tree *t, uint32_t node)
{
	return t->p->self[t->measure] ? t->p->self[t->measure][node] : 0;
}

/* ---- text ------------------------------------------------------------------------------------ */

static void put_line(const struct tree *t, const struct lode_output *out, uint32_t node,
		     const char *indent)
{
	const struct lode_profile *p = t->p;
	const char *unit = lode_measure_units[t->measure];
	char total[LODE_UNIT_MAX], share[LODE_UNIT_MAX], self[LODE_UNIT_MAX], label[1024] = "all";
	if (node)
		lode_frame_label(&p->frames[p->nodes[node].frame], true, label, sizeof(label));
	enum lode_style style = lode_style_of_share(self_of(t, node), p->total[t->measure]);
	fprintf(out->f, "%10s %6s  %s%10s%s  %s", lode_format_unit(total, unit, t->total[node]),
		lode_format_percent(share, t->total[node], p->total[t->measure]),
		style == LODE_STYLE_PLAIN ? "" : lode_style(out, style),
		self_of(t, node) ? lode_format_unit(self, unit, self_of(t, node)) : "",
		style == LODE_STYLE_PLAIN ? "" : lode_style(out, LODE_STYLE_PLAIN), indent);
	lode_put_fitting(out->f, label, out->width > 80 ? out->width - 32 - INDENT_MOST : 0,
			 out->has_utf8);
	fputc('\n', out->f);
}

struct place {           /* of a node in the printed tree */
	uint32_t indent; /* levels */
	bool is_last;    /* of its siblings */
	bool is_single;  /* no siblings: stands right below its caller */
};

enum { BAR, LAST, BRANCH, BLANK };
static const char *const lines[][4] = {
	{"| ", "` ", "+ ", "  "},
	{"\u2502 ", "\u2514 ", "\u251c ", "  "},
};

/* Branches of the ancestors, then the node's own; `open` says which levels go on below. */
static void make_indent(char *buf, size_t n, const struct place *at, const bool *open,
			bool has_utf8)
{
	const char *const *line = lines[has_utf8];
	size_t used = 0;
	buf[0] = 0;
	for (uint32_t i = 1; i <= at->indent && used < n; i++) {
		int kind = open[i] ? BAR : BLANK;
		if (i == at->indent && !at->is_single)
			kind = at->is_last ? LAST : BRANCH;
		used += (size_t)snprintf(buf + used, n - used, "%s", line[kind]);
	}
}

/* Returns false where -n cut it off. */
static bool print_tree(const struct tree *t, const struct lode_output *out)
{
	struct place *places = lode_alloc_zeroed(t->p->node_count + 1, sizeof(*places));
	bool open[INDENT_MOST + 1] = {false};
	char indent[INDENT_MOST * 4 + 1];
	size_t depth = 0, printed = 0;
	uint32_t n = 0;
	while (printed++ < t->line_limit) {
		make_indent(indent, sizeof(indent), &places[n], open, out->has_utf8);
		put_line(t, out, n, indent);
		uint32_t child = depth < t->depth_limit ? t->first[n] : 0;
		if (child) {
			places[child] = places[n];
			places[child].is_single = !t->next[child];
			places[child].is_last = !t->next[child];
			if (!places[child].is_single && places[child].indent < INDENT_MOST)
				places[child].indent++;
			depth++;
			n = child;
		} else {
			while (n && !t->next[n]) {
				n = t->p->nodes[n].parent;
				depth--;
			}
			if (!n)
				break;
			places[t->next[n]] = places[n];
			n = t->next[n];
			places[n].is_last = !t->next[n];
		}
		if (!places[n].is_single)
			open[places[n].indent] = !places[n].is_last;
	}
	free(places);
	return printed <= t->line_limit;
}

static void print_text(const struct tree *t, const struct lode_output *out)
{
	char a[LODE_UNIT_MAX], b[LODE_UNIT_MAX];
	lode_page_title(out, t->p, t->measure);
	fprintf(out->f, "%s%10s %6s  %10s  %s%s\n", lode_style(out, LODE_STYLE_TITLE), "total", "%",
		"self", "function", lode_style(out, LODE_STYLE_PLAIN));
	if (!print_tree(t, out))
		fprintf(out->f, "%sthe rest is cut off; -n 0 shows all%s\n",
			lode_style(out, LODE_STYLE_DIM), lode_style(out, LODE_STYLE_PLAIN));
	if (t->hidden)
		fprintf(out->f,
			"%s%zu smaller nodes are left out; they hold %s (%s) themselves; "
			"--min-percent 0 shows all%s\n",
			lode_style(out, LODE_STYLE_DIM), t->hidden,
			lode_format_unit(a, lode_measure_units[t->measure], t->hidden_self),
			lode_format_percent(b, t->hidden_self, t->p->total[t->measure]),
			lode_style(out, LODE_STYLE_PLAIN));
	lode_page_late(out, t->p, t->measure);
	lode_page_losses(out, t->p);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

/* Opens a node's object up to the bracket of its children. */
static void open_node(struct lode_json *j, const struct tree *t, uint32_t node, bool is_cut)
{
	static const struct lode_frame root = {.name = "all", .kind = LODE_FRAME_SPECIAL};
	const struct lode_frame *f = node ? &t->p->frames[t->p->nodes[node].frame] : &root;
	lode_json_line(j);
	lode_json_open(j, '{');
	lode_json_put_text(j, "name", f->name);
	lode_json_put_text(j, "file", f->file);
	lode_json_put_int(j, "line", f->line);
	lode_json_put_text(j, "module", f->module);
	lode_json_put_text(j, "kind", lode_frame_kind_words[f->kind]);
	lode_json_put_int(j, "self", self_of(t, node));
	lode_json_put_int(j, "total", t->total[node]);
	lode_json_put_int(j, "count", t->count[node]);
	if (is_cut)
		lode_json_put_bool(j, "is_cut", true);
	lode_json_key(j, "children");
	lode_json_open(j, '[');
}

static void close_node(struct lode_json *j)
{
	lode_json_close(j, ']');
	lode_json_close(j, '}');
}

static void print_nested(struct lode_json *j, const struct tree *t)
{
	size_t depth = 0;
	uint32_t n = 0;
	for (;;) {
		bool is_cut = depth >= t->depth_limit && t->first[n];
		open_node(j, t, n, is_cut);
		if (t->first[n] && !is_cut) {
			n = t->first[n];
			depth++;
			continue;
		}
		close_node(j);
		while (n && !t->next[n]) {
			n = t->p->nodes[n].parent;
			depth--;
			close_node(j);
		}
		if (!n)
			return;
		n = t->next[n];
	}
}

static void print_json(const struct tree *t, FILE *f)
{
	struct lode_json j;
	lode_json_init(&j, f);
	lode_json_head(&j, "tree", t->p, t->measure);
	lode_json_put_int(&j, "hidden", (int64_t)t->hidden);
	lode_json_put_int(&j, "hidden_self", t->hidden_self);
	lode_json_key(&j, "rows");
	lode_json_open(&j, '[');
	if (t->p->node_count)
		print_nested(&j, t);
	lode_json_close(&j, ']');
	lode_json_close(&j, '}');
	fputc('\n', f);
}

static void print(const struct lode_profile *p, const struct lode_view_options *o,
		  const struct lode_output *out)
{
	struct tree t;
	tree_init(&t, p, o);
	if (o->json)
		print_json(&t, out->f);
	else
		print_text(&t, out);
	tree_release(&t);
}

int lode_cmd_tree(int argc, char **argv)
{
	struct lode_view_options o;
	int status = lode_cmd_parse(&o, argc, argv, 1, 0);
	return status >= 0 ? status : lode_cmd_show(&o, print);
}
