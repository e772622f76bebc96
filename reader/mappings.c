/* An AVL tree of address ranges, in an array; index 0 is no node.  Contract in mappings.h. */
#include "mappings.h"

#include <stdlib.h>
#include <string.h>

#include "lib/error.h"

struct lode_mapping_node {
	struct lode_mapping mapping;
	uint32_t left, right; /* left: next free node, when free */
	uint32_t owner;	      /* index into pieces */
	int height;
};

#define NODE(i) (m->nodes[i])

static int height(const struct lode_mappings *m, uint32_t i)
{
	return i ? NODE(i).height : 0;
}

static void update(struct lode_mappings *m, uint32_t i)
{
	int l = height(m, NODE(i).left), r = height(m, NODE(i).right);
	NODE(i).height = 1 + (l > r ? l : r);
}

static uint32_t rotate_right(struct lode_mappings *m, uint32_t i)
{
	uint32_t l = NODE(i).left;
	NODE(i).left = NODE(l).right;
	NODE(l).right = i;
	update(m, i);
	update(m, l);
	return l;
}

static uint32_t rotate_left(struct lode_mappings *m, uint32_t i)
{
	uint32_t r = NODE(i).right;
	NODE(i).right = NODE(r).left;
	NODE(r).left = i;
	update(m, i);
	update(m, r);
	return r;
}

static uint32_t balance(struct lode_mappings *m, uint32_t i)
{
	update(m, i);
	int lean = height(m, NODE(i).left) - height(m, NODE(i).right);
	if (lean > 1) {
		uint32_t l = NODE(i).left;
		if (height(m, NODE(l).left) < height(m, NODE(l).right))
			NODE(i).left = rotate_left(m, l);
		return rotate_right(m, i);
	}
	if (lean < -1) {
		uint32_t r = NODE(i).right;
		if (height(m, NODE(r).right) < height(m, NODE(r).left))
			NODE(i).right = rotate_right(m, r);
		return rotate_left(m, i);
	}
	return i;
}

static uint32_t insert(struct lode_mappings *m, uint32_t at, uint32_t node)
{
	if (!at)
		return node;
	if (NODE(node).mapping.start < NODE(at).mapping.start) {
		uint32_t l = insert(m, NODE(at).left, node);
		NODE(at).left = l;
	} else {
		uint32_t r = insert(m, NODE(at).right, node);
		NODE(at).right = r;
	}
	return balance(m, at);
}

/* Takes the lowest node out of the tree at `at`; *lowest is it. */
static uint32_t take_lowest(struct lode_mappings *m, uint32_t at, uint32_t *lowest)
{
	if (!NODE(at).left) {
		*lowest = at;
		return NODE(at).right;
	}
	uint32_t l = take_lowest(m, NODE(at).left, lowest);
	NODE(at).left = l;
	return balance(m, at);
}

/* Takes the node that starts at `start`, which is there, out of the tree. */
static uint32_t take(struct lode_mappings *m, uint32_t at, uint64_t start)
{
	if (start < NODE(at).mapping.start) {
		uint32_t l = take(m, NODE(at).left, start);
		NODE(at).left = l;
	} else if (start > NODE(at).mapping.start) {
		uint32_t r = take(m, NODE(at).right, start);
		NODE(at).right = r;
	} else {
		if (!NODE(at).right)
			return NODE(at).left;
		uint32_t next;
		uint32_t r = take_lowest(m, NODE(at).right, &next);
		NODE(next).left = NODE(at).left;
		NODE(next).right = r;
		at = next;
	}
	return balance(m, at);
}

/* The lowest node that ends after `start`; 0: none.  Ranges are disjoint, so ends are in the order
 * of starts. */
static uint32_t first_after(const struct lode_mappings *m, uint64_t start)
{
	uint32_t found = 0;
	for (uint32_t at = m->root; at;) {
		if (NODE(at).mapping.end > start) {
			found = at;
			at = NODE(at).left;
		} else {
			at = NODE(at).right;
		}
	}
	return found;
}

static uint32_t new_node(struct lode_mappings *m)
{
	uint32_t i = m->node_free;
	if (i) {
		m->node_free = NODE(i).left;
		return i;
	}
	if (m->node_count + 1 >= m->node_capacity) {
		m->node_capacity = m->node_capacity ? 2 * m->node_capacity : 64;
		m->nodes = lode_realloc(m->nodes, m->node_capacity * sizeof(*m->nodes));
	}
	return ++m->node_count;
}

static void free_node(struct lode_mappings *m, uint32_t i)
{
	NODE(i).left = m->node_free;
	m->node_free = i;
}

/* A free entry of `pieces` holds the next free one's index + 1. */
static uint32_t new_owner(struct lode_mappings *m)
{
	if (m->piece_free) {
		uint32_t i = m->piece_free - 1;
		m->piece_free = m->pieces[i];
		m->pieces[i] = 0;
		return i;
	}
	if (m->piece_count == m->piece_capacity) {
		m->piece_capacity = m->piece_capacity ? 2 * m->piece_capacity : 64;
		m->pieces = lode_realloc(m->pieces, m->piece_capacity * sizeof(*m->pieces));
	}
	m->pieces[m->piece_count] = 0;
	return m->piece_count++;
}

static void add_piece(struct lode_mappings *m, const struct lode_mapping *mapping, uint32_t owner)
{
	uint32_t i = new_node(m);
	NODE(i) = (struct lode_mapping_node){.mapping = *mapping, .owner = owner, .height = 1};
	m->pieces[owner]++;
	m->root = insert(m, m->root, i);
}

void lode_mappings_add(struct lode_mappings *m, const struct lode_mapping *mapping)
{
	add_piece(m, mapping, new_owner(m));
}

bool lode_mappings_cut(struct lode_mappings *m, uint64_t start, uint64_t end,
		       struct lode_mapping *piece)
{
	uint32_t i = first_after(m, start);
	if (!i || NODE(i).mapping.start >= end)
		return false;
	struct lode_mapping whole = NODE(i).mapping;
	uint32_t owner = NODE(i).owner;
	m->root = take(m, m->root, whole.start);
	free_node(m, i);
	*piece = whole;
	if (whole.start < start) {
		struct lode_mapping left = whole;
		left.end = piece->start = start;
		add_piece(m, &left, owner);
	}
	if (whole.end > end) {
		struct lode_mapping right = whole;
		right.start = piece->end = end;
		add_piece(m, &right, owner);
	}
	piece->is_last = --m->pieces[owner] == 0;
	if (piece->is_last) {
		m->pieces[owner] = m->piece_free;
		m->piece_free = owner + 1;
	}
	return true;
}

struct walk {
	void (*visit)(const struct lode_mapping *piece, void *data);
	void *data;
	uint32_t *seen; /* pieces of each owner met so far */
};

static void walk(const struct lode_mappings *m, uint32_t at, const struct walk *w)
{
	if (!at)
		return;
	walk(m, NODE(at).left, w);
	struct lode_mapping piece = NODE(at).mapping;
	uint32_t owner = NODE(at).owner;
	piece.is_last = ++w->seen[owner] == m->pieces[owner];
	w->visit(&piece, w->data);
	walk(m, NODE(at).right, w);
}

void lode_mappings_each(const struct lode_mappings *m,
			void (*visit)(const struct lode_mapping *piece, void *data), void *data)
{
	struct walk w = {visit, data, lode_alloc_zeroed(m->piece_count, sizeof(uint32_t))};
	walk(m, m->root, &w);
	free(w.seen);
}

void lode_mappings_release(struct lode_mappings *m)
{
	free(m->nodes);
	free(m->pieces);
	*m = (struct lode_mappings){0};
}
