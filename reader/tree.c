/* Frames and nodes of a profile.  Contract in tree.h; called by load.c and frames.c. */
#include "tree.h"

#include <stdlib.h>
#include <string.h>

#include "label.h"
#include "lib/error.h"
#include "lib/escape.h"

enum { MATCHES_FOCUS = 1, MATCHES_IGNORE = 2 };

void lode_tree_init(struct lode_tree *t, struct lode_arena *arena, const regex_t *focus,
		    const regex_t *ignore)
{
	*t = (struct lode_tree){.arena = arena, .focus = focus, .ignore = ignore};
	t->node_capacity = 1024;
	t->nodes = lode_alloc(t->node_capacity * sizeof(*t->nodes));
	t->nodes[0] = (struct lode_tree_node){.frame = UINT32_MAX,
					      .process = UINT32_MAX,
					      .thread = UINT32_MAX,
					      .is_focused = !focus};
	t->node_count = 1;
}

void lode_tree_release(struct lode_tree *t)
{
	free(t->frames);
	free(t->frame_matches);
	free(t->frame_slots);
	free(t->nodes);
	free(t->values);
	lode_map_release(&t->children);
	lode_map_release(&t->roots);
	*t = (struct lode_tree){0};
}

/* ---- frames ------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 32;
}

static uint64_t hash_frame(const struct lode_frame *f)
{
	uint64_t h = mix(f->kind, (uintptr_t)f->name);
	h = mix(mix(h, (uintptr_t)f->file), (uintptr_t)f->module);
	return mix(h, (uint64_t)f->line << 32 | f->first_line);
}

static bool is_same(const struct lode_frame *a, const struct lode_frame *b)
{
	return a->name == b->name && a->file == b->file && a->module == b->module &&
	       a->line == b->line && a->first_line == b->first_line && a->kind == b->kind;
}

static size_t find_frame(const struct lode_tree *t, const struct lode_frame *f)
{
	size_t mask = t->frame_slot_count - 1, at = hash_frame(f) & mask;
	while (t->frame_slots[at] && !is_same(&t->frames[t->frame_slots[at] - 1], f))
		at = (at + 1) & mask;
	return at;
}

static void grow_frames(struct lode_tree *t)
{
	t->frame_capacity = t->frame_capacity ? 2 * t->frame_capacity : 256;
	t->frames = lode_realloc(t->frames, t->frame_capacity * sizeof(*t->frames));
	t->frame_matches = lode_realloc(t->frame_matches, t->frame_capacity);
	free(t->frame_slots);
	t->frame_slot_count = 4 * t->frame_capacity;
	t->frame_slots = lode_alloc_zeroed(t->frame_slot_count, sizeof(*t->frame_slots));
	for (size_t i = 0; i < t->frame_count; i++)
		t->frame_slots[find_frame(t, &t->frames[i])] = (uint32_t)i + 1;
}

static bool matches(const regex_t *re, const struct lode_frame *f)
{
	char label[1024];
	return re && (!regexec(re, f->name, 0, NULL, 0) ||
		      !regexec(re, lode_frame_label(f, true, label, sizeof(label)), 0, NULL, 0));
}

uint32_t lode_tree_frame(struct lode_tree *t, const struct lode_frame *f)
{
	if (t->frame_count == t->frame_capacity)
		grow_frames(t);
	size_t at = find_frame(t, f);
	if (!t->frame_slots[at]) {
		uint32_t i = (uint32_t)t->frame_count++;
		t->frames[i] = *f;
		t->frame_matches[i] = (uint8_t)((matches(t->focus, f) ? MATCHES_FOCUS : 0) |
						(matches(t->ignore, f) ? MATCHES_IGNORE : 0));
		t->frame_slots[at] = i + 1;
	}
	return t->frame_slots[at] - 1;
}

/* ---- nodes -------------------------------------------------------------------------------- */

static uint32_t add_node(struct lode_tree *t, uint32_t parent, uint32_t frame)
{
	if (t->node_count == t->node_capacity) {
		t->node_capacity *= 2;
		t->nodes = lode_realloc(t->nodes, t->node_capacity * sizeof(*t->nodes));
	}
	struct lode_tree_node n = t->nodes[parent];
	n.parent = parent;
	n.frame = frame;
	n.depth++;
	n.is_focused |= !!(t->frame_matches[frame] & MATCHES_FOCUS);
	n.is_ignored |= !!(t->frame_matches[frame] & MATCHES_IGNORE);
	t->nodes[t->node_count] = n;
	return (uint32_t)t->node_count++;
}

static uint32_t truncated_frame(struct lode_tree *t)
{
	struct lode_frame f = {.name = lode_arena_intern(t->arena, "<truncated>", 11),
			       .kind = LODE_FRAME_SPECIAL};
	return lode_tree_frame(t, &f);
}

uint32_t lode_tree_child(struct lode_tree *t, uint32_t parent, uint32_t frame)
{
	if (t->nodes[parent].depth >= LODE_PROFILE_DEPTH_MAX)
		return parent;
	if (t->nodes[parent].depth == LODE_PROFILE_DEPTH_MAX - 1)
		frame = truncated_frame(t);
	uint32_t next = (uint32_t)t->node_count;
	uint32_t child = *lode_map_put(&t->children, (uint64_t)parent << 32 | frame, next);
	return child == next ? add_node(t, parent, frame) : child;
}

uint32_t lode_tree_root(struct lode_tree *t, uint32_t parent, uint32_t frame, uint32_t process,
			uint32_t thread)
{
	uint32_t next = (uint32_t)t->node_count;
	uint32_t root = *lode_map_put(&t->roots, (uint64_t)process << 32 | thread, next);
	if (root != next)
		return root;
	root = add_node(t, parent, frame);
	t->nodes[root].process = process;
	t->nodes[root].thread = thread;
	return root;
}

void lode_tree_add(struct lode_tree *t, uint32_t node, const struct lode_stack *stack)
{
	const struct lode_tree_node *n = &t->nodes[node];
	bool has_value = false;
	for (unsigned m = 0; m < LODE_MEASURE_COUNT; m++)
		has_value |= stack->values[m] != 0;
	if (!has_value || !n->is_focused || n->is_ignored)
		return;
	if (t->value_count == t->value_capacity) {
		t->value_capacity = t->value_capacity ? 2 * t->value_capacity : 1024;
		t->values = lode_realloc(t->values, t->value_capacity * sizeof(*t->values));
	}
	t->values[t->value_count++] = (struct lode_tree_value){node, *stack};
}

/* ---- the end ------------------------------------------------------------------------------ */

/* New indices of the nodes that are, or lead to, one with a value; 0 for the others (and the root).
 */
static uint32_t *keep_nodes(const struct lode_tree *t, size_t *count)
{
	uint32_t *index = lode_alloc_zeroed(t->node_count, sizeof(*index));
	for (size_t i = 0; i < t->value_count; i++)
		index[t->values[i].node] = 1;
	for (size_t i = t->node_count; i-- > 1;)
		if (index[i])
			index[t->nodes[i].parent] = 1;
	size_t n = 1;
	for (size_t i = 1; i < t->node_count; i++)
		if (index[i])
			index[i] = (uint32_t)n++;
	index[0] = 0;
	*count = n;
	return index;
}

static void move_nodes(struct lode_tree *t, struct lode_profile *p, const uint32_t *index)
{
	uint32_t *frame_index = lode_alloc_zeroed(t->frame_count, sizeof(*frame_index));
	p->nodes = lode_alloc_zeroed(p->node_count, sizeof(*p->nodes));
	p->frames = lode_alloc_zeroed(t->frame_count, sizeof(*p->frames));
	p->nodes[0] = (struct lode_profile_node){0, UINT32_MAX, UINT32_MAX, UINT32_MAX};
	for (size_t i = 1; i < t->node_count; i++) {
		const struct lode_tree_node *n = &t->nodes[i];
		if (!index[i])
			continue;
		if (!frame_index[n->frame]) {
			p->frames[p->frame_count++] = t->frames[n->frame];
			frame_index[n->frame] = (uint32_t)p->frame_count;
		}
		p->nodes[index[i]] = (struct lode_profile_node){
			index[n->parent], frame_index[n->frame] - 1, n->process, n->thread};
	}
	free(frame_index);
}

static bool is_cpu(unsigned m)
{
	return m == LODE_MEASURE_CPU || m == LODE_MEASURE_SAMPLES;
}

static void move_values(struct lode_tree *t, struct lode_profile *p, const uint32_t *index)
{
	for (size_t i = 0; i < t->value_count; i++) {
		const struct lode_stack *s = &t->values[i].stack;
		uint32_t node = index[t->values[i].node];
		for (unsigned m = 0; m < LODE_MEASURE_COUNT; m++) {
			if (!p->self[m])
				continue;
			p->self[m][node] =
				(int64_t)((uint64_t)p->self[m][node] + (uint64_t)s->values[m]);
			p->total[m] = (int64_t)((uint64_t)p->total[m] + (uint64_t)s->values[m]);
		}
		if (!p->survivors)
			continue;
		for (unsigned k = 0; k < LODE_TENTHS; k++) {
			p->survivors[node * (size_t)LODE_TENTHS + k] += s->survivors[k];
			p->growth[node * (size_t)LODE_TENTHS + k] += s->growth[k];
		}
		if (s->values[LODE_MEASURE_LEAKED_BLOCKS] &&
		    (!p->oldest_ns[node] || s->oldest_ns < p->oldest_ns[node]))
			p->oldest_ns[node] = s->oldest_ns;
		if (s->youngest_ns > p->youngest_ns[node])
			p->youngest_ns[node] = s->youngest_ns;
	}
}

void lode_tree_finish(struct lode_tree *t, struct lode_profile *p, bool has_memory, bool has_cpu)
{
	uint32_t *index = keep_nodes(t, &p->node_count);
	move_nodes(t, p, index);
	for (unsigned m = 0; m < LODE_MEASURE_COUNT; m++)
		if (m != LODE_MEASURE_WALL && (is_cpu(m) ? has_cpu : has_memory))
			p->self[m] = lode_alloc_zeroed(p->node_count, sizeof(int64_t));
	if (has_memory) {
		p->oldest_ns = lode_alloc_zeroed(p->node_count, sizeof(uint64_t));
		p->youngest_ns = lode_alloc_zeroed(p->node_count, sizeof(uint64_t));
		p->survivors = lode_alloc_zeroed(p->node_count, LODE_TENTHS * sizeof(uint64_t));
		p->growth = lode_alloc_zeroed(p->node_count, LODE_TENTHS * sizeof(uint64_t));
	}
	move_values(t, p, index);
	free(index);
}
