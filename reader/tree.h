/* Builds a profile's frames and tree: interned frames, nodes by (parent, frame), values of stacks
 * added to nodes, and at the end only what has a value. */
#ifndef LODE_TREE_H
#define LODE_TREE_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/map.h"
#include "profile.h"
#include "replay.h"

struct lode_tree_node {
	uint32_t parent, frame, process, thread;
	uint16_t depth;
	bool is_focused, is_ignored; /* by a frame of this stack */
};

struct lode_tree_value { /* a stack's values and where they belong */
	uint32_t node;
	struct lode_stack stack;
};

struct lode_tree {
	struct lode_arena *arena; /* the caller's: holds the strings of the frames */
	struct lode_frame *frames;
	uint8_t *frame_matches; /* bit 0: focus, bit 1: ignore */
	size_t frame_count, frame_capacity;
	uint32_t *frame_slots; /* index + 1; open addressing */
	size_t frame_slot_count;
	struct lode_tree_node *nodes;
	size_t node_count, node_capacity;
	struct lode_map children; /* parent << 32 | frame */
	struct lode_map roots;	  /* process << 32 | thread */
	struct lode_tree_value *values;
	size_t value_count, value_capacity;
	const regex_t *focus, *ignore; /* NULL: none */
};

void lode_tree_init(struct lode_tree *t, struct lode_arena *arena, const regex_t *focus,
		    const regex_t *ignore);
void lode_tree_release(struct lode_tree *t);

/* The frame like `f`, whose strings are interned in the arena already. */
uint32_t lode_tree_frame(struct lode_tree *t, const struct lode_frame *f);
uint32_t lode_tree_child(struct lode_tree *t, uint32_t parent, uint32_t frame);
/* A child that stands for a process or thread, never shared with another of the same name. */
uint32_t lode_tree_root(struct lode_tree *t, uint32_t parent, uint32_t frame, uint32_t process,
			uint32_t thread);
void lode_tree_add(struct lode_tree *t, uint32_t node, const struct lode_stack *stack);

/* Moves everything that has a value into the profile, measures without has_memory / has_cpu stay
 * NULL. */
void lode_tree_finish(struct lode_tree *t, struct lode_profile *p, bool has_memory, bool has_cpu);

#endif
