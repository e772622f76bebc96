/* The tree a flame graph or an exchange format shows: a profile's tree with equal functions merged
 * and small nodes folded. Sums are kept: what is folded stands in an "(other)" node, so every total
 * equals the profile's. */
#ifndef LODE_FLAME_TREE_H
#define LODE_FLAME_TREE_H

#include <stdbool.h>

#include "profile.h"

struct lode_flame_node {
	uint32_t parent;   /* smaller than its own index; node 0 is the root */
	uint32_t function; /* index into functions; LODE_FLAME_OTHER: what was folded; the root's
			      means nothing */
	uint32_t process, thread; /* as in struct lode_profile_node */
};
#define LODE_FLAME_OTHER UINT32_MAX

struct lode_flame_tree {
	uint32_t *functions; /* by function: the frame that stands for it */
	size_t function_count;
	struct lode_flame_node *nodes;
	size_t node_count, folded_count;
	int64_t *self[LODE_MEASURE_COUNT];  /* as in the profile; NULL: not recorded */
	int64_t *total[LODE_MEASURE_COUNT]; /* self and everything below */
};

/* With `lines` every frame is its own function; else frames of one function merge whatever the
 * line.  The profile must outlive the tree. */
struct lode_flame_tree *lode_flame_tree_new(const struct lode_profile *p, bool lines);
void lode_flame_tree_free(struct lode_flame_tree *t);

/* Folds every node whose total is below the fraction of the whole in every measure (or in `only`,
 * when not LODE_MEASURE_COUNT).  Returns how many nodes are gone. */
size_t lode_flame_tree_fold(struct lode_flame_tree *t, double fraction, enum lode_measure only);
/* How many nodes would stay. */
size_t lode_flame_tree_kept(const struct lode_flame_tree *t, double fraction,
			    enum lode_measure only);

/* Is this measure worth showing: recorded, and not all zero? */
bool lode_flame_has(const struct lode_profile *p, enum lode_measure m);

/* The process that gives the recording its name: the first one's last image (`env` that became
 * python).  NULL: none. */
const struct lode_profile_process *lode_flame_main_process(const struct lode_profile *p);

#endif
