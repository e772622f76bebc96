/* Two views' rows, matched through a hash of what they are. */
#include "diff.h"

#include <stdlib.h>
#include <string.h>

#include "lib/error.h"

const char *const lode_diff_state_words[] = {"new", "gone", "grew", "shrank", "same"};

struct matcher {
	struct lode_diff *d;
	uint32_t *slots;  /* row + 1; 0: empty */
	uint64_t *hashes; /* by row */
	size_t mask;
};

static uint64_t hash_string(uint64_t h, const char *s)
{
	for (; s && *s; s++)
		h = (h ^ (unsigned char)*s) * 0x100000001b3u; /* FNV-1a */
	return (h ^ 0xff) * 0x100000001b3u;
}

static uint64_t hash_frame(uint64_t h, const char *name, const char *file, const char *module)
{
	return hash_string(hash_string(hash_string(h, name), file), module);
}

static uint64_t hash_row(const struct lode_view *v, const struct lode_row *r)
{
	const struct lode_profile *p = v->profile;
	uint64_t h = 0xcbf29ce484222325u;
	if (v->by == LODE_BY_STACK) {
		for (uint32_t n = r->node; n; n = p->nodes[n].parent) {
			const struct lode_frame *f = &p->frames[p->nodes[n].frame];
			h = hash_frame(h, f->name, f->file, f->module);
		}
	} else {
		h = hash_frame(h, r->name, r->file, r->module);
		h = v->by == LODE_BY_LINE ? (h ^ r->line) * 0x100000001b3u : h;
	}
	return h ^ h >> 29;
}

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static bool same_stacks(const struct lode_profile *p, uint32_t a, const struct lode_profile *q,
			uint32_t b)
{
	for (; a && b; a = p->nodes[a].parent, b = q->nodes[b].parent) {
		const struct lode_frame *f = &p->frames[p->nodes[a].frame],
					*g = &q->frames[q->nodes[b].frame];
		if (!same(f->name, g->name) || !same(f->file, g->file) ||
		    !same(f->module, g->module))
			return false;
	}
	return !a && !b;
}

static bool is_match(const struct lode_view *v, const struct lode_row *a, const struct lode_view *w,
		     const struct lode_row *b)
{
	if (v->by == LODE_BY_STACK)
		return same_stacks(v->profile, a->node, w->profile, b->node);
	return same(a->name, b->name) && same(a->file, b->file) && same(a->module, b->module) &&
	       (v->by != LODE_BY_LINE || a->line == b->line);
}

static struct lode_diff_row *find_or_add(struct matcher *m, const struct lode_view *v,
					 const struct lode_row *r)
{
	struct lode_diff *d = m->d;
	uint64_t h = hash_row(v, r);
	size_t s = h & m->mask;
	for (; m->slots[s]; s = (s + 1) & m->mask) {
		struct lode_diff_row *known = &d->rows[m->slots[s] - 1];
		if (m->hashes[m->slots[s] - 1] == h && is_match(known->view, known->row, v, r))
			return known;
	}
	m->hashes[d->row_count] = h;
	m->slots[s] = (uint32_t)++d->row_count;
	d->rows[d->row_count - 1] = (struct lode_diff_row){.view = v, .row = r};
	return &d->rows[d->row_count - 1];
}

static void add_rows(struct matcher *m, const struct lode_view *v, bool is_before)
{
	for (size_t i = 0; i < v->row_count; i++) {
		const struct lode_row *r = &v->rows[i];
		struct lode_diff_row *d = find_or_add(m, v, r);
		if (is_before) {
			d->is_before = true;
			d->before += r->self;
			d->before_total += r->total;
			d->before_count += r->count;
		} else {
			d->is_after = true;
			d->view = v; /* today's line numbers are the useful ones */
			d->row = r;
			d->after += r->self;
			d->after_total += r->total;
			d->after_count += r->count;
		}
	}
}

static uint64_t size_of_change(int64_t before, int64_t after)
{
	return after > before ? (uint64_t)after - (uint64_t)before
			      : (uint64_t)before - (uint64_t)after;
}

/* Of rows that changed alike, the smaller one comes first: in a chain of callers that is where it
 * happened. */
static int compare(const struct lode_diff_row *a, const struct lode_diff_row *b, bool by_total)
{
	uint64_t self_a = size_of_change(a->before, a->after),
		 self_b = size_of_change(b->before, b->after);
	uint64_t total_a = size_of_change(a->before_total, a->after_total),
		 total_b = size_of_change(b->before_total, b->after_total);
	uint64_t x = by_total ? total_a : self_a, y = by_total ? total_b : self_b;
	if (x == y) {
		x = by_total ? self_a : total_a;
		y = by_total ? self_b : total_b;
	}
	if (x == y && a->after_total != b->after_total) {
		x = (uint64_t)b->after_total;
		y = (uint64_t)a->after_total;
	}
	return x != y ? (x < y ? 1 : -1) : strcmp(a->row->name, b->row->name);
}

static int compare_self(const void *x, const void *y)
{
	return compare(x, y, false);
}

static int compare_total(const void *x, const void *y)
{
	return compare(x, y, true);
}

void lode_diff_sort(struct lode_diff *d, bool by_total)
{
	if (d->row_count)
		qsort(d->rows, d->row_count, sizeof(*d->rows),
		      by_total ? compare_total : compare_self);
}

void lode_diff_init(struct lode_diff *d, const struct lode_view *before,
		    const struct lode_view *after)
{
	size_t most = before->row_count + after->row_count, slots = 64;
	while (slots < most * 2)
		slots *= 2;
	*d = (struct lode_diff){.rows = lode_alloc((most + 1) * sizeof(*d->rows))};
	struct matcher m = {d, lode_alloc_zeroed(slots, sizeof(uint32_t)),
			    lode_alloc((most + 1) * sizeof(uint64_t)), slots - 1};
	add_rows(&m, before, true);
	add_rows(&m, after, false);
	free(m.slots);
	free(m.hashes);
	lode_diff_sort(d, true);
}

void lode_diff_release(struct lode_diff *d)
{
	free(d->rows);
	*d = (struct lode_diff){0};
}

/* Its total decides: a function whose callee grew has grown. */
enum lode_diff_state lode_diff_state(const struct lode_diff_row *r)
{
	if (!r->is_before)
		return LODE_DIFF_NEW;
	if (!r->is_after)
		return LODE_DIFF_GONE;
	int64_t before = r->before_total, after = r->after_total;
	return after > before ? LODE_DIFF_GREW : after < before ? LODE_DIFF_SHRANK : LODE_DIFF_SAME;
}
