/* Merges and folds a profile's tree.  Everything leans on one invariant: a parent's index is
 * smaller than its children's, so one loop backwards sums totals and one loop forwards hands down
 * decisions. */
#include "flame_tree.h"

#include <stdlib.h>
#include <string.h>

#include "lib/error.h"
#include "lib/intern.h"

bool lode_flame_has(const struct lode_profile *p, enum lode_measure m)
{
	return p->self[m] && p->total[m] > 0;
}

const struct lode_profile_process *lode_flame_main_process(const struct lode_profile *p)
{
	const struct lode_profile_process *last = p->process_count ? &p->processes[0] : NULL;

	for (size_t i = 1; i < p->process_count; i++)
		if (p->processes[i].pid == last->pid && p->processes[i].start_ns >= last->start_ns)
			last = &p->processes[i];
	return last;
}

/* By frame, the number of its function: equal kind, name, file and module, and for Python the line
 * of the definition (a file holds many "<lambda>").  The first frame seen stands for it. */
static uint32_t *group_frames(const struct lode_profile *p, bool lines, struct lode_flame_tree *t)
{
	uint32_t *group = lode_alloc((p->frame_count + 1) * sizeof(*group));
	struct lode_intern_strings strings = { 0 };
	struct lode_intern_pairs names = { 0 }, places = { 0 }, lines_of = { 0 }, all = { 0 };

	t->functions = lode_alloc((p->frame_count + 1) * sizeof(*t->functions));
	for (size_t i = 0; i < p->frame_count; i++) {
		const struct lode_frame *f = &p->frames[i];
		uint32_t id = (uint32_t)i;

		if (!lines) {
			uint32_t name = lode_intern_pair(
				&names, lode_intern_string(&strings, f->name), f->kind);
			uint32_t place =
				lode_intern_pair(&places, lode_intern_string(&strings, f->file),
						 lode_intern_string(&strings, f->module));

			place = lode_intern_pair(&lines_of, place,
						 f->kind == LODE_FRAME_PYTHON ? f->first_line : 0);
			id = lode_intern_pair(&all, name, place);
		}
		group[i] = id;
		if (id == t->function_count)
			t->functions[t->function_count++] = (uint32_t)i;
	}
	lode_intern_strings_release(&strings);
	lode_intern_pairs_release(&names);
	lode_intern_pairs_release(&places);
	lode_intern_pairs_release(&lines_of);
	lode_intern_pairs_release(&all);
	return group;
}

/* By profile node, its node of the merged tree; fills t->nodes. */
static uint32_t *merge_nodes(const struct lode_profile *p, const uint32_t *group,
			     struct lode_flame_tree *t)
{
	uint32_t *merged = lode_alloc((p->node_count + 1) * sizeof(*merged));
	struct lode_intern_pairs children = { 0 };

	t->nodes = lode_alloc((p->node_count + 1) * sizeof(*t->nodes));
	t->nodes[0] = (struct lode_flame_node){ 0, 0, UINT32_MAX, UINT32_MAX };
	t->node_count = 1;
	merged[0] = 0;
	for (size_t i = 1; i < p->node_count; i++) {
		const struct lode_profile_node *n = &p->nodes[i];
		uint32_t parent = merged[n->parent], function = group[n->frame];
		uint32_t id = lode_intern_pair(&children, parent, function) + 1;

		merged[i] = id;
		if (id == t->node_count)
			t->nodes[t->node_count++] =
				(struct lode_flame_node){ parent, function, n->process, n->thread };
	}
	lode_intern_pairs_release(&children);
	return merged;
}

static void sum_totals(struct lode_flame_tree *t)
{
	for (int m = 0; m < LODE_MEASURE_COUNT; m++) {
		if (!t->self[m])
			continue;
		memcpy(t->total[m], t->self[m], t->node_count * sizeof(int64_t));
		for (size_t i = t->node_count - 1; i > 0; i--)
			t->total[m][t->nodes[i].parent] += t->total[m][i];
	}
}

struct lode_flame_tree *lode_flame_tree_new(const struct lode_profile *p, bool lines)
{
	struct lode_flame_tree *t = lode_alloc_zeroed(1, sizeof(*t));
	uint32_t *group = group_frames(p, lines, t);
	uint32_t *merged = merge_nodes(p, group, t);

	for (int m = 0; m < LODE_MEASURE_COUNT; m++) {
		if (!p->self[m])
			continue;
		t->self[m] = lode_alloc_zeroed(t->node_count, sizeof(int64_t));
		t->total[m] = lode_alloc_zeroed(t->node_count, sizeof(int64_t));
		for (size_t i = 0; i < p->node_count; i++)
			t->self[m][merged[i]] += p->self[m][i];
	}
	sum_totals(t);
	free(group);
	free(merged);
	return t;
}

void lode_flame_tree_free(struct lode_flame_tree *t)
{
	if (!t)
		return;
	for (int m = 0; m < LODE_MEASURE_COUNT; m++) {
		free(t->self[m]);
		free(t->total[m]);
	}
	free(t->functions);
	free(t->nodes);
	free(t);
}

/* By node: does it stay?  An ancestor of a node that stays, stays. */
static unsigned char *choose(const struct lode_flame_tree *t, double fraction,
			     enum lode_measure only)
{
	unsigned char *keep = lode_alloc_zeroed(t->node_count, 1);

	keep[0] = 1;
	for (int m = 0; m < LODE_MEASURE_COUNT; m++) {
		double limit = t->total[m] ? fraction * (double)t->total[m][0] : 0;

		if (!t->total[m] || t->total[m][0] <= 0 ||
		    (only != LODE_MEASURE_COUNT && (int)only != m))
			continue;
		for (size_t i = 1; i < t->node_count; i++)
			keep[i] |= t->total[m][i] > 0 && (double)t->total[m][i] >= limit;
	}
	for (size_t i = t->node_count - 1; i > 0; i--)
		keep[t->nodes[i].parent] |= keep[i];
	return keep;
}

size_t lode_flame_tree_kept(const struct lode_flame_tree *t, double fraction,
			    enum lode_measure only)
{
	unsigned char *keep = choose(t, fraction, only);
	size_t kept = 0;

	for (size_t i = 0; i < t->node_count; i++)
		kept += keep[i];
	free(keep);
	return kept;
}

/* Moves node `from` to index `to`, which is never larger. */
static void move_node(struct lode_flame_tree *t, size_t from, size_t to,
		      struct lode_flame_node node)
{
	t->nodes[to] = node;
	for (int m = 0; m < LODE_MEASURE_COUNT; m++)
		if (t->self[m] && from != to)
			t->self[m][to] = t->self[m][from];
}

static void add_self(struct lode_flame_tree *t, size_t from, size_t to)
{
	for (int m = 0; m < LODE_MEASURE_COUNT; m++)
		if (t->self[m])
			t->self[m][to] += t->self[m][from];
}

/* The first folded child of a node becomes its "(other)"; later ones, and everything below, add to
 * it.  So the tree is rewritten in place: the write index never passes the read index. */
size_t lode_flame_tree_fold(struct lode_flame_tree *t, double fraction, enum lode_measure only)
{
	unsigned char *keep = choose(t, fraction, only);
	uint32_t *moved = lode_alloc(t->node_count * sizeof(*moved));
	uint32_t *other =
		lode_alloc_zeroed(t->node_count, sizeof(*other)); /* by new index; 0: none */
	size_t count = 1, before = t->node_count;

	moved[0] = 0;
	for (size_t i = 1; i < before; i++) {
		struct lode_flame_node node = t->nodes[i];

		node.parent = moved[node.parent];
		if (!keep[i] && t->nodes[node.parent].function == LODE_FLAME_OTHER && node.parent) {
			moved[i] = node.parent;
			add_self(t, i, node.parent);
		} else if (!keep[i] && other[node.parent]) {
			moved[i] = other[node.parent];
			add_self(t, i, other[node.parent]);
		} else {
			if (!keep[i]) {
				node.function = LODE_FLAME_OTHER;
				other[node.parent] = (uint32_t)count;
			}
			moved[i] = (uint32_t)count;
			move_node(t, i, count++, node);
		}
	}
	t->node_count = count;
	t->folded_count += before - count;
	sum_totals(t);
	free(keep);
	free(moved);
	free(other);
	return before - count;
}
