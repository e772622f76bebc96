/* The index of one compilation unit: which function, with which functions inlined into it, and which line, an address
 * belongs to.  dwarf.c fills a builder, symbols.c asks the index, symcache.c keeps its block on disk: an index is one
 * block of memory without pointers, checked before use when it comes from a file.
 * All addresses are those of the ELF file. */
#ifndef LODE_SYMINDEX_H
#define LODE_SYMINDEX_H

#include <stddef.h>
#include <stdint.h>

#include "lib/intern.h"

#define LODE_SYMINDEX_NONE UINT32_MAX

enum lode_symindex_flags {
	LODE_SYMINDEX_INLINED = 1,    /* code of `parent` */
	LODE_SYMINDEX_LOCAL_NAME = 2, /* the name is not qualified: a symbol at the same address says more */
};

/* A function, or one inlined call of one. */
struct lode_symindex_node {
	uint32_t name;   /* an offset into the strings, mangled; or NONE */
	uint32_t parent; /* the node it is inlined into, smaller than its own number; or NONE */
	uint32_t call_file, call_line; /* where the call stood; an offset or NONE, a line or 0 */
	uint32_t first_line;
	uint32_t flags;
};

/* Addresses from `start` up to the next element's start; id NONE where nothing is known. */
struct lode_interval {
	uint64_t lo, hi; /* [lo, hi) */
	uint32_t id, depth;
};

/* Nested intervals to disjoint ones, the innermost winning (later start, then greater depth).  Sorts v; fills at most
 * 2 n + 1 elements of start and id, the last with id NONE; returns how many. */
size_t lode_intervals_flatten(struct lode_interval *v, size_t n, uint64_t *start, uint32_t *id);

/* The position of the last element <= address, or n where there is none. */
size_t lode_intervals_find(const uint64_t *start, size_t n, uint64_t address);

/* ---- building ------------------------------------------------------------------------------------ */
struct lode_symindex_builder {
	struct lode_intern_strings strings; /* copies; by id */
	uint32_t *string_offset;
	size_t string_capacity;
	uint32_t string_bytes;
	struct lode_symindex_node *nodes;
	uint32_t *depth; /* by node */
	size_t n_nodes, node_capacity;
	struct lode_interval *ranges;
	size_t n_ranges, range_capacity;
	uint64_t *row_start;
	uint32_t *row_file, *row_line;
	size_t n_rows, row_capacity;
};

void lode_symindex_builder_release(struct lode_symindex_builder *b); /* init: zeroes */
uint32_t lode_symindex_string(struct lode_symindex_builder *b, const char *s); /* copied; NONE for NULL */
uint32_t lode_symindex_add(struct lode_symindex_builder *b, const struct lode_symindex_node *n);
void lode_symindex_range(struct lode_symindex_builder *b, uint32_t node, uint64_t lo, uint64_t hi);
/* In order of address; of several at one address the last one counts.  file NONE: no code from here on. */
void lode_symindex_row(struct lode_symindex_builder *b, uint64_t address, uint32_t file, uint32_t line);

/* ---- asking -------------------------------------------------------------------------------------- */
struct lode_symindex {
	void *block;
	size_t block_bytes;
	const uint64_t *segment_start, *row_start;
	const uint32_t *segment_node, *row_file, *row_line;
	const struct lode_symindex_node *nodes;
	const char *strings; /* ends with a NUL */
	uint32_t n_segments, n_rows, n_nodes, string_bytes;
	const char **names; /* by node: what the user of the index made of the names; NULL at first; the array is freed with the index */
};

struct lode_symindex *lode_symindex_build(struct lode_symindex_builder *b);
/* From a block out of a file, taken over; NULL (and the block freed) if anything in it is not as it must be. */
struct lode_symindex *lode_symindex_check(void *block, size_t bytes);
void lode_symindex_free(struct lode_symindex *x);

uint32_t lode_symindex_node_at(const struct lode_symindex *x, uint64_t address); /* the innermost; or NONE */
/* The row's file (an offset or NONE) and line (or 0). */
uint32_t lode_symindex_line_at(const struct lode_symindex *x, uint64_t address, uint32_t *line);

#endif
