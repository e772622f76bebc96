/* The mappings of one process: disjoint address ranges in an AVL tree, cut as munmap and MAP_FIXED
 * cut them.  Each operation takes O(log n), and O(log n) for each piece it removes. */
#ifndef LODE_MAPPINGS_H
#define LODE_MAPPINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lode_mapping {
	uint64_t start, end; /* end: after the last byte */
	uint64_t birth;
	uint32_t stack, category;
	bool is_last; /* given by cut: nothing of the mapping it was made as is left */
};

struct lode_mapping_node;

struct lode_mappings { /* all zero is empty */
	struct lode_mapping_node *nodes;
	uint32_t *pieces; /* of each mapping as made: how many are left */
	uint32_t node_count, node_capacity, node_free, root;
	uint32_t piece_count, piece_capacity, piece_free;
};

void lode_mappings_release(struct lode_mappings *m);

/* start < end; what overlaps must have been cut before. */
void lode_mappings_add(struct lode_mappings *m, const struct lode_mapping *mapping);

/* Removes one piece, the lowest, of what lies in [start, end); false: nothing lies there.  Call
 * until false. */
bool lode_mappings_cut(struct lode_mappings *m, uint64_t start, uint64_t end,
		       struct lode_mapping *piece);

/* Every piece in order of address. is_last: set on one piece of each mapping as made. */
void lode_mappings_each(const struct lode_mappings *m,
			void (*visit)(const struct lode_mapping *piece, void *data), void *data);

#endif
