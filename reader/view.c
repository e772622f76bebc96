/* Rows from the tree: groups of nodes, summed. */
#include "view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "label.h"
#include "lib/error.h"
#include "lib/escape.h"

/* ---- groups ---------------------------------------------------------------------------------- */

/* What makes two nodes one row.  Strings are compared by content: the same function may come from
 * two recordings. */
struct key {
	const char *name, *file, *module;
	uint64_t number;
};

struct groups {           /* an open hash from key to group */
	struct key *keys; /* by group */
	uint32_t *slots;  /* group + 1; 0: empty */
	size_t count, capacity, slot_count;
};

static uint64_t hash_string(uint64_t h, const char *s)
{
	for (; s && *s; s++)
		h = (h ^ (unsigned char)*s) * 0x100000001b3u; /* FNV-1a */
	return (h ^ 0xff) * 0x100000001b3u;
}

static uint64_t hash_key(const struct key *k)
{
	uint64_t h = hash_string(0xcbf29ce484222325u ^ k->number, k->name);
	h = hash_string(hash_string(h, k->file), k->module);
	return h ^ h >> 29;
}

static bool same_string(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static bool same_key(const struct key *a, const struct key *b)
{
	return a->number == b->number && same_string(a->name, b->name) &&
	       same_string(a->file, b->file) && same_string(a->module, b->module);
}

static void grow(struct groups *g)
{
	size_t n = g->slot_count ? g->slot_count * 2 : 1024;
	free(g->slots);
	g->slots = lode_alloc_zeroed(n, sizeof(*g->slots));
	g->slot_count = n;
	for (size_t i = 0; i < g->count; i++) {
		size_t s = hash_key(&g->keys[i]) & (n - 1);
		while (g->slots[s])
			s = (s + 1) & (n - 1);
		g->slots[s] = (uint32_t)i + 1;
	}
}

/* The key's group; a new one is noted when it is the first of its kind. */
static uint32_t group_of(struct groups *g, const struct key *k)
{
	if (g->count * 2 >= g->slot_count)
		grow(g);
	size_t s = hash_key(k) & (g->slot_count - 1);
	for (; g->slots[s]; s = (s + 1) & (g->slot_count - 1))
		if (same_key(&g->keys[g->slots[s] - 1], k))
			return g->slots[s] - 1;
	if (g->count == g->capacity) {
		g->capacity = g->capacity ? g->capacity * 2 : 256;
		g->keys = lode_realloc(g->keys, g->capacity * sizeof(*g->keys));
	}
	g->keys[g->count] = *k;
	g->slots[s] = (uint32_t)g->count + 1;
	return (uint32_t)g->count++;
}

/* A Python function is its definition: two lambdas of a file are two.  A native one is its name in
 * its object. */
static struct key key_of_frame(const struct lode_frame *f, enum lode_by by)
{
	bool is_python = f->kind == LODE_FRAME_PYTHON;
	switch (by) {
	case LODE_BY_FUNCTION:
	case LODE_BY_SITE:
		return (struct key){f->name, f->file, f->module, is_python ? f->first_line : 0};
	case LODE_BY_LINE:
	case LODE_BY_PYTHON_LINE:
		return (struct key){f->name, f->file, f->module, f->line};
	case LODE_BY_FILE:
		return (struct key){NULL, f->file, f->file ? NULL : f->module, 0};
	case LODE_BY_MODULE:
		return (struct key){NULL, f->module ? NULL : f->file, f->module, 0};
	case LODE_BY_STACK:
	case LODE_BY_THREAD:
	case LODE_BY_PROCESS:
	case LODE_BY_TYPE:
		break;
	}
	return (struct key){0};
}

/* What native code does on behalf of a Python frame is that frame's; parents come first, so one
 * pass hands it down. */
static void give_natives_to_python(struct lode_view *v)
{
	const struct lode_profile *p = v->profile;
	bool *is_python = lode_alloc_zeroed(p->node_count + 1, sizeof(*is_python));
	for (size_t i = 1; i < p->node_count; i++) {
		uint8_t kind = p->frames[p->nodes[i].frame].kind;
		uint32_t parent = p->nodes[i].parent;
		bool is_native = kind == LODE_FRAME_NATIVE || kind == LODE_FRAME_INLINED;
		is_python[i] = kind == LODE_FRAME_PYTHON || (is_native && is_python[parent]);
		if (is_native && is_python[parent])
			v->group_of_node[i] = v->group_of_node[parent];
	}
	free(is_python);
}

/* A thread as root frame is no function. */
static bool has_row(const struct lode_frame *f, enum lode_by by)
{
	return by == LODE_BY_PYTHON_LINE ? f->kind == LODE_FRAME_PYTHON
					 : f->kind != LODE_FRAME_THREAD;
}

/* Frames are interned, so each is hashed once, not once a node. */
static void group_by_frame(struct lode_view *v, struct groups *g)
{
	const struct lode_profile *p = v->profile;
	uint32_t *of_frame = lode_alloc_zeroed(p->frame_count + 1, sizeof(*of_frame));
	for (size_t i = 0; i < p->frame_count; i++) {
		struct key k = key_of_frame(&p->frames[i], v->by);
		of_frame[i] = has_row(&p->frames[i], v->by) ? group_of(g, &k) : LODE_NO_GROUP;
	}
	for (size_t i = 1; i < p->node_count; i++)
		v->group_of_node[i] = of_frame[p->nodes[i].frame];
	free(of_frame);
	if (v->by == LODE_BY_SITE || v->by == LODE_BY_PYTHON_LINE)
		give_natives_to_python(v);
}

static void group_by_origin(struct lode_view *v, struct groups *g)
{
	const struct lode_profile *p = v->profile;
	for (size_t i = 1; i < p->node_count; i++) {
		const struct lode_profile_node *n = &p->nodes[i];
		uint32_t origin = v->by == LODE_BY_THREAD ? n->thread : n->process;
		v->group_of_node[i] = group_of(g, &(struct key){.number = (uint64_t)origin + 1});
	}
}

static void group(struct lode_view *v)
{
	const struct lode_profile *p = v->profile;
	struct groups g = {0};
	v->group_of_node = lode_alloc_zeroed(p->node_count + 1, sizeof(*v->group_of_node));
	v->group_of_node[0] = LODE_NO_GROUP;
	if (v->by == LODE_BY_STACK) {
		for (size_t i = 1; i < p->node_count; i++)
			v->group_of_node[i] = (uint32_t)i - 1;
		g.count = p->node_count ? p->node_count - 1 : 0;
	} else if (v->by == LODE_BY_THREAD || v->by == LODE_BY_PROCESS) {
		group_by_origin(v, &g);
	} else {
		group_by_frame(v, &g);
	}
	v->group_count = g.count;
	v->group_node = lode_alloc_zeroed(g.count + 1, sizeof(*v->group_node));
	for (size_t i = p->node_count; i-- > 1;)
		if (v->group_of_node[i] != LODE_NO_GROUP)
			v->group_node[v->group_of_node[i]] = (uint32_t)i;
	free(g.keys);
	free(g.slots);
}

/* ---- sums ------------------------------------------------------------------------------------ */

int64_t *lode_inclusive(const struct lode_profile *p, enum lode_measure m)
{
	if (!p->self[m] || !p->node_count)
		return NULL;
	int64_t *sum = lode_alloc(p->node_count * sizeof(*sum));
	memcpy(sum, p->self[m], p->node_count * sizeof(*sum));
	for (size_t i = p->node_count; i-- > 1;) /* children stand behind their parents */
		sum[p->nodes[i].parent] += sum[i];
	return sum;
}

static void link_children(struct lode_view *v)
{
	const struct lode_profile *p = v->profile;
	v->first_child = lode_alloc_zeroed(p->node_count + 1, sizeof(uint32_t));
	v->next_sibling = lode_alloc_zeroed(p->node_count + 1, sizeof(uint32_t));
	for (size_t i = p->node_count; i-- > 1;) {
		uint32_t parent = p->nodes[i].parent;
		v->next_sibling[i] = v->first_child[parent];
		v->first_child[parent] = (uint32_t)i;
	}
}

/* A walk of the tree that knows how often each group stands in the current stack: only the
 * outermost counts for the total. */
static void sum_totals(const struct lode_view *v, const int64_t *inclusive, int64_t *total)
{
	const struct lode_profile *p = v->profile;
	uint32_t *depth = lode_alloc_zeroed(v->group_count + 1, sizeof(*depth));
	uint32_t n = v->first_child[0];
	while (n) {
		uint32_t g = v->group_of_node[n];
		if (g != LODE_NO_GROUP && depth[g]++ == 0)
			total[g] += inclusive[n];
		if (v->first_child[n]) {
			n = v->first_child[n];
			continue;
		}
		for (;;) { /* leave this node, and its ancestors as long as it is their last */
			g = v->group_of_node[n];
			if (g != LODE_NO_GROUP)
				depth[g]--;
			if (v->next_sibling[n] || !p->nodes[n].parent) {
				n = v->next_sibling[n];
				break;
			}
			n = p->nodes[n].parent;
		}
	}
	free(depth);
}

void lode_view_sum(const struct lode_view *v, enum lode_measure m, int64_t *self, int64_t *total)
{
	const struct lode_profile *p = v->profile;
	int64_t *inclusive = lode_inclusive(p, m);
	if (!inclusive)
		return;
	for (size_t i = 1; i < p->node_count; i++) {
		uint32_t g = v->group_of_node[i];
		if (self && g != LODE_NO_GROUP)
			self[g] += p->self[m][i];
		if (total && v->by == LODE_BY_STACK)
			total[g] += p->self[m][i]; /* a stack is one: what is below it is another */
	}
	if (total && v->by != LODE_BY_STACK)
		sum_totals(v, inclusive, total);
	free(inclusive);
}

/* ---- rows ------------------------------------------------------------------------------------ */

static char *keep_name(struct lode_view *v, char *name)
{
	v->names = lode_realloc(v->names, (v->name_count + 1) * sizeof(*v->names));
	v->names[v->name_count++] = name;
	return name;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash && slash[1] ? slash + 1 : path;
}

/* json.decoder of .../python3.11/json/decoder.py; packages of site-packages likewise; else the
 * file's name without .py. */
static char *python_module(const char *file)
{
	const char *start = strstr(file, "-packages/"), *digits = strstr(file, "/python3.");
	if (start)
		start += strlen("-packages/");
	else if (digits && strchr(digits + 1, '/'))
		start = strchr(digits + 1, '/') + 1;
	else
		start = base_name(file);
	char *name = lode_copy_string(start);
	size_t n = strlen(name);
	if (n > 3 && !strcmp(name + n - 3, ".py"))
		name[n - 3] = 0;
	for (char *c = name; *c; c++)
		*c = *c == '/' ? '.' : *c;
	char *init = strstr(name, ".__init__");
	if (init && !init[strlen(".__init__")])
		*init = 0;
	return name;
}

static void name_by_origin(struct lode_view *v, struct lode_row *r,
			   const struct lode_profile_node *n)
{
	const struct lode_profile *p = v->profile;
	r->kind = LODE_FRAME_THREAD;
	r->name = "(unknown)";
	if (v->by == LODE_BY_THREAD && n->thread < p->thread_count) {
		const struct lode_profile_thread *t = &p->threads[n->thread];
		r->name = t->name;
		r->tid = t->tid;
		if (t->process < p->process_count)
			r->pid = p->processes[t->process].pid;
	} else if (v->by == LODE_BY_PROCESS && n->process < p->process_count) {
		r->name = p->processes[n->process].command ? p->processes[n->process].command
							   : "(unknown)";
		r->pid = p->processes[n->process].pid;
	}
}

static void name_row(struct lode_view *v, struct lode_row *r)
{
	const struct lode_profile_node *n = &v->profile->nodes[r->node];
	if (v->by == LODE_BY_THREAD || v->by == LODE_BY_PROCESS) {
		name_by_origin(v, r, n);
		return;
	}
	const struct lode_frame *f = &v->profile->frames[n->frame];
	r->kind = f->kind;
	r->file = v->by == LODE_BY_MODULE && f->module ? NULL : f->file;
	r->module = f->module;
	r->name = f->name;
	if (v->by == LODE_BY_FUNCTION || v->by == LODE_BY_SITE)
		r->line = f->first_line;
	else if (v->by == LODE_BY_LINE || v->by == LODE_BY_PYTHON_LINE || v->by == LODE_BY_STACK)
		r->line = f->line;
	else if (v->by == LODE_BY_FILE)
		r->name = f->file ? f->file : f->module ? f->module : f->name;
	else if (f->module)
		r->name = f->module;
	else
		r->name = f->file ? keep_name(v, python_module(f->file)) : f->name;
}

/* Stacks of which nothing is left: every frame was of the kind that the options drop. */
static void add_frameless(struct lode_view *v)
{
	const struct lode_profile *p = v->profile;
	enum lode_measure counter = lode_measure_counter(v->measure);
	int64_t value = p->self[v->measure][0], count = p->self[counter] ? p->self[counter][0] : 0;
	if (value || count)
		v->rows[v->row_count++] = (struct lode_row){
			.name = LODE_FRAMELESS,
			.kind = LODE_FRAME_SPECIAL,
			.group = LODE_NO_GROUP,
			.pid = -1,
			.tid = -1,
			.self = value,
			.total = value,
			.count = count,
			.self_count = count,
		};
}

static void make_rows(struct lode_view *v)
{
	enum lode_measure counter = lode_measure_counter(v->measure);
	size_t n = v->group_count;
	int64_t *sums = lode_alloc_zeroed(4 * n + 1, sizeof(*sums));
	lode_view_sum(v, v->measure, sums, sums + n);
	lode_view_sum(v, counter, sums + 2 * n, sums + 3 * n);
	bool is_recorded = v->profile->self[v->measure] && v->profile->node_count;
	v->rows = lode_alloc_zeroed(n + 1, sizeof(*v->rows));
	for (size_t g = 0; is_recorded && g < n; g++) {
		struct lode_row r = {
			.self = sums[g],
			.total = sums[n + g],
			.self_count = sums[2 * n + g],
			.count = sums[3 * n + g],
			.group = (uint32_t)g,
			.node = v->group_node[g],
			.pid = -1,
			.tid = -1,
			.name = "",
		};
		if (!r.self && !r.total && !r.count)
			continue;
		name_row(v, &r);
		v->rows[v->row_count++] = r;
	}
	if (is_recorded && v->by != LODE_BY_PYTHON_LINE)
		add_frameless(v);
	free(sums);
}

static _Thread_local enum lode_sort sort_key; /* qsort hands nothing through */

static int compare_int(int64_t a, int64_t b)
{
	return a < b ? 1 : a > b ? -1 : 0;
}

static int compare_rows(const void *x, const void *y)
{
	const struct lode_row *a = x, *b = y;
	int order = 0;
	switch (sort_key) {
	case LODE_SORT_SELF:
		order = compare_int(a->self, b->self);
		break;
	case LODE_SORT_TOTAL:
		break;
	case LODE_SORT_COUNT:
		order = compare_int(a->count, b->count);
		break;
	case LODE_SORT_NAME:
		order = strcmp(a->name, b->name);
		break;
	}
	if (!order)
		order = compare_int(a->total, b->total);
	if (!order)
		order = compare_int(a->self, b->self);
	if (!order)
		order = strcmp(a->name, b->name);
	if (!order)
		order = strcmp(a->file ? a->file : "", b->file ? b->file : "");
	if (!order)
		order = compare_int(b->line, a->line);
	return order ? order : a->group < b->group ? -1 : a->group > b->group;
}

void lode_view_sort(struct lode_view *v, enum lode_sort sort)
{
	sort_key = sort;
	qsort(v->rows, v->row_count, sizeof(*v->rows), compare_rows);
}

void lode_view_init(struct lode_view *v, const struct lode_profile *p, enum lode_measure m,
		    enum lode_by by)
{
	*v = (struct lode_view){.profile = p, .measure = m, .by = by};
	link_children(v);
	group(v);
	make_rows(v);
	lode_view_sort(v, LODE_SORT_SELF);
}

void lode_view_release(struct lode_view *v)
{
	for (size_t i = 0; i < v->name_count; i++)
		free(v->names[i]);
	free(v->names);
	free(v->rows);
	free(v->group_of_node);
	free(v->group_node);
	free(v->first_child);
	free(v->next_sibling);
	*v = (struct lode_view){0};
}

const char *lode_row_label(const struct lode_view *v, const struct lode_row *r, char *buf, size_t n)
{
	struct lode_frame f = {r->name, r->file, r->module, r->line, r->line, r->kind};
	switch (v->by) {
	case LODE_BY_FUNCTION:
	case LODE_BY_SITE:
		return lode_frame_label(&f, false, buf, n);
	case LODE_BY_LINE:
	case LODE_BY_PYTHON_LINE:
	case LODE_BY_STACK:
		return lode_frame_label(&f, true, buf, n);
	case LODE_BY_THREAD:
		snprintf(buf, n, "%s (pid %lld, thread %lld)", r->name, (long long)r->pid,
			 (long long)r->tid);
		return buf;
	case LODE_BY_PROCESS:
		snprintf(buf, n, "%lld %s", (long long)r->pid, r->name);
		return buf;
	case LODE_BY_FILE:
	case LODE_BY_MODULE:
	case LODE_BY_TYPE:
		break;
	}
	snprintf(buf, n, "%s", r->name);
	return buf;
}
