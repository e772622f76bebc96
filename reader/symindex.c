/* The unit index: see the header.  A look-up is a binary search in the disjoint segments and a walk over parents. */
#include "symindex.h"

#include <stdlib.h>
#include <string.h>

#include "lib/error.h"

/* The block: this, then the arrays in the order of their mention in lode_symindex, 8-byte ones first. */
struct header {
	uint32_t n_segments, n_rows, n_nodes, string_bytes;
};

/* ---- intervals ----------------------------------------------------------------------------------- */
static int by_start(const void *a, const void *b)
{
	const struct lode_interval *x = a, *y = b;

	if (x->lo != y->lo)
		return x->lo < y->lo ? -1 : 1;
	if (x->depth != y->depth)
		return x->depth < y->depth ? -1 : 1;
	if (x->hi != y->hi)
		return x->hi > y->hi ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

struct segments {
	uint64_t *start;
	uint32_t *id;
	size_t n;
};

static void emit(struct segments *out, uint64_t start, uint32_t id)
{
	if (out->n && out->start[out->n - 1] == start)
		out->n--;
	if (out->n && out->id[out->n - 1] == id)
		return;
	out->start[out->n] = start;
	out->id[out->n++] = id;
}

/* Closes the open intervals that end at or before `until`; those around them go on. */
static size_t close_until(struct segments *out, const struct lode_interval *v, const uint32_t *open, size_t depth,
			  uint64_t until)
{
	while (depth && v[open[depth - 1]].hi <= until) {
		const uint64_t end = v[open[--depth]].hi;

		while (depth && v[open[depth - 1]].hi <= end)
			depth--;
		emit(out, end, depth ? v[open[depth - 1]].id : LODE_SYMINDEX_NONE);
	}
	return depth;
}

size_t lode_intervals_flatten(struct lode_interval *v, size_t n, uint64_t *start, uint32_t *id)
{
	struct segments out = { .start = start, .id = id };
	uint32_t *open = lode_alloc(n * sizeof(*open));
	size_t depth = 0;

	if (n)
		qsort(v, n, sizeof(*v), by_start);
	for (size_t i = 0; i < n; i++) {
		depth = close_until(&out, v, open, depth, v[i].lo);
		emit(&out, v[i].lo, v[i].id);
		open[depth++] = (uint32_t)i;
	}
	close_until(&out, v, open, depth, UINT64_MAX);
	free(open);
	return out.n;
}

size_t lode_intervals_find(const uint64_t *start, size_t n, uint64_t address)
{
	size_t lo = 0, count = n;

	if (!n || address < start[0])
		return n;
	while (count > 1) {
		const size_t half = count / 2;

		lo = start[lo + half] <= address ? lo + half : lo;
		count -= half;
	}
	return lo;
}

/* ---- building ------------------------------------------------------------------------------------ */
#define GROW(array, count, capacity)                                                                                    \
	((count) < (capacity) ? (array)                                                                                 \
			      : ((capacity) = (capacity) ? (capacity) * 2 : 64,                                         \
				 (array) = lode_realloc((array), (capacity) * sizeof(*(array)))))

void lode_symindex_builder_release(struct lode_symindex_builder *b)
{
	for (size_t i = 0; i < b->strings.count; i++)
		free((char *)b->strings.strings[i]);
	lode_intern_strings_release(&b->strings);
	free(b->string_offset);
	free(b->nodes);
	free(b->depth);
	free(b->ranges);
	free(b->row_start);
	free(b->row_file);
	free(b->row_line);
	memset(b, 0, sizeof(*b));
}

uint32_t lode_symindex_string(struct lode_symindex_builder *b, const char *s)
{
	const size_t before = b->strings.count;
	uint32_t id;

	if (!s || strlen(s) > UINT16_MAX || b->string_bytes > INT32_MAX)
		return LODE_SYMINDEX_NONE;
	id = lode_intern_string(&b->strings, s);
	if (b->strings.count > before) {
		b->strings.strings[id] = lode_copy_string(s);
		GROW(b->string_offset, (size_t)id, b->string_capacity);
		b->string_offset[id] = b->string_bytes;
		b->string_bytes += (uint32_t)strlen(s) + 1;
	}
	return b->string_offset[id];
}

uint32_t lode_symindex_add(struct lode_symindex_builder *b, const struct lode_symindex_node *n)
{
	size_t capacity = b->node_capacity;

	GROW(b->depth, b->n_nodes, capacity);
	GROW(b->nodes, b->n_nodes, b->node_capacity);
	b->depth[b->n_nodes] = n->parent == LODE_SYMINDEX_NONE ? 0 : b->depth[n->parent] + 1;
	b->nodes[b->n_nodes] = *n;
	return (uint32_t)b->n_nodes++;
}

void lode_symindex_range(struct lode_symindex_builder *b, uint32_t node, uint64_t lo, uint64_t hi)
{
	GROW(b->ranges, b->n_ranges, b->range_capacity);
	b->ranges[b->n_ranges++] = (struct lode_interval){ .lo = lo, .hi = hi, .id = node, .depth = b->depth[node] };
}

void lode_symindex_row(struct lode_symindex_builder *b, uint64_t address, uint32_t file, uint32_t line)
{
	size_t n = b->n_rows, capacity = b->row_capacity, same = b->row_capacity;

	if (n && b->row_start[n - 1] > address)
		return;
	if (n && b->row_start[n - 1] == address)
		n--;
	if (n && b->row_file[n - 1] == file && b->row_line[n - 1] == line) {
		b->n_rows = n;
		return;
	}
	GROW(b->row_start, n, capacity);
	GROW(b->row_file, n, same);
	GROW(b->row_line, n, b->row_capacity);
	b->row_start[n] = address;
	b->row_file[n] = file;
	b->row_line[n] = line;
	b->n_rows = n + 1;
}

/* ---- the block ----------------------------------------------------------------------------------- */
static uint64_t block_bytes(const struct header *h)
{
	return sizeof(*h) + (uint64_t)h->n_segments * 12 + (uint64_t)h->n_rows * 16 +
	       (uint64_t)h->n_nodes * sizeof(struct lode_symindex_node) + h->string_bytes;
}

static struct lode_symindex *view(void *block, size_t bytes)
{
	const struct header *h = block;
	struct lode_symindex *x = lode_alloc_zeroed(1, sizeof(*x));
	char *p = (char *)block + sizeof(*h);

	x->block = block;
	x->block_bytes = bytes;
	x->n_segments = h->n_segments;
	x->n_rows = h->n_rows;
	x->n_nodes = h->n_nodes;
	x->string_bytes = h->string_bytes;
	x->segment_start = (const uint64_t *)p;
	x->row_start = (const uint64_t *)(p += (size_t)h->n_segments * 8);
	x->segment_node = (const uint32_t *)(p += (size_t)h->n_rows * 8);
	x->row_file = (const uint32_t *)(p += (size_t)h->n_segments * 4);
	x->row_line = (const uint32_t *)(p += (size_t)h->n_rows * 4);
	x->nodes = (const struct lode_symindex_node *)(p += (size_t)h->n_rows * 4);
	x->strings = p + (size_t)h->n_nodes * sizeof(*x->nodes);
	return x;
}

struct lode_symindex *lode_symindex_build(struct lode_symindex_builder *b)
{
	uint64_t *start = lode_alloc((2 * b->n_ranges + 1) * sizeof(*start));
	uint32_t *node = lode_alloc((2 * b->n_ranges + 1) * sizeof(*node));
	struct header h = { .n_rows = (uint32_t)b->n_rows, .n_nodes = (uint32_t)b->n_nodes };
	struct lode_symindex *x;
	size_t bytes;
	void *block;

	h.string_bytes = b->string_bytes + 1;
	h.n_segments = (uint32_t)lode_intervals_flatten(b->ranges, b->n_ranges, start, node);
	bytes = block_bytes(&h);
	block = lode_alloc(bytes);
	memcpy(block, &h, sizeof(h));
	x = view(block, bytes);
	memcpy((void *)x->segment_start, start, h.n_segments * sizeof(*start));
	memcpy((void *)x->segment_node, node, h.n_segments * sizeof(*node));
	free(start);
	free(node);
	if (h.n_rows) {
		memcpy((void *)x->row_start, b->row_start, h.n_rows * sizeof(*b->row_start));
		memcpy((void *)x->row_file, b->row_file, h.n_rows * sizeof(*b->row_file));
		memcpy((void *)x->row_line, b->row_line, h.n_rows * sizeof(*b->row_line));
	}
	if (h.n_nodes)
		memcpy((void *)x->nodes, b->nodes, h.n_nodes * sizeof(*b->nodes));
	for (size_t i = 0; i < b->strings.count; i++)
		memcpy((char *)x->strings + b->string_offset[i], b->strings.strings[i],
		       strlen(b->strings.strings[i]) + 1);
	((char *)x->strings)[b->string_bytes] = 0;
	return x;
}

static int is_string(const struct lode_symindex *x, uint32_t offset)
{
	return offset == LODE_SYMINDEX_NONE || offset < x->string_bytes;
}

static int is_sound(const struct lode_symindex *x)
{
	if (x->strings[x->string_bytes - 1])
		return 0;
	for (uint32_t i = 0; i < x->n_segments; i++)
		if ((i && x->segment_start[i] <= x->segment_start[i - 1]) ||
		    (x->segment_node[i] != LODE_SYMINDEX_NONE && x->segment_node[i] >= x->n_nodes))
			return 0;
	for (uint32_t i = 0; i < x->n_rows; i++)
		if ((i && x->row_start[i] <= x->row_start[i - 1]) || !is_string(x, x->row_file[i]))
			return 0;
	for (uint32_t i = 0; i < x->n_nodes; i++) {
		const struct lode_symindex_node *n = &x->nodes[i];

		if ((n->parent != LODE_SYMINDEX_NONE && n->parent >= i) || !is_string(x, n->name) ||
		    !is_string(x, n->call_file))
			return 0;
	}
	return 1;
}

struct lode_symindex *lode_symindex_check(void *block, size_t bytes)
{
	const struct header *h = block;
	struct lode_symindex *x;

	if (bytes < sizeof(*h) || !h->string_bytes || block_bytes(h) != bytes) {
		free(block);
		return NULL;
	}
	x = view(block, bytes);
	if (is_sound(x))
		return x;
	lode_symindex_free(x);
	return NULL;
}

void lode_symindex_free(struct lode_symindex *x)
{
	if (!x)
		return;
	free(x->names);
	free(x->block);
	free(x);
}

/* ---- asking -------------------------------------------------------------------------------------- */
uint32_t lode_symindex_node_at(const struct lode_symindex *x, uint64_t address)
{
	const size_t i = lode_intervals_find(x->segment_start, x->n_segments, address);

	return i < x->n_segments ? x->segment_node[i] : LODE_SYMINDEX_NONE;
}

uint32_t lode_symindex_line_at(const struct lode_symindex *x, uint64_t address, uint32_t *line)
{
	const size_t i = lode_intervals_find(x->row_start, x->n_rows, address);

	*line = 0;
	if (i == x->n_rows || x->row_file[i] == LODE_SYMINDEX_NONE)
		return LODE_SYMINDEX_NONE;
	*line = x->row_line[i];
	return x->row_file[i];
}
