/* A view: the profile's tree as rows.  Groups nodes by what --by says, sums one or more measures
 * over the groups.
 *
 * self   what happened in the group's own frames
 * total  self and everything below, each stack counted once however often the group stands in it
 * (recursion) count  total of the measure's counter: samples of cpu, allocations of allocated,
 * blocks of live, peak and leaked */
#ifndef LODE_VIEW_H
#define LODE_VIEW_H

#include "options.h"
#include "profile.h"

struct lode_row {
	const char *name; /* never NULL; strings live as long as the profile and the view */
	const char *file, *module; /* or NULL */
	uint32_t line;  /* by line, stack: executing; by function: of the definition; 0: unknown */
	uint8_t kind;   /* enum lode_frame_kind */
	uint32_t group; /* index of the row's group: into the arrays of lode_view_sum; or
			   LODE_NO_GROUP */
	uint32_t node;  /* by stack: the stack's leaf */
	int64_t pid, tid; /* by process and thread; else -1 */
	int64_t self, total, count, self_count;
};

struct lode_view {
	const struct lode_profile *profile;
	enum lode_measure measure;
	enum lode_by by;
	uint32_t *group_of_node; /* node 0 and nodes without a group: LODE_NO_GROUP */
	uint32_t *group_node;    /* the first node of each group: names it */
	size_t group_count;
	uint32_t *first_child, *next_sibling;
	struct lode_row *rows; /* groups where the measure or its counter is not 0 */
	size_t row_count;
	char **names; /* made here, freed with the view */
	size_t name_count;
};
#define LODE_NO_GROUP UINT32_MAX
#define LODE_FRAMELESS                                                                          \
	"<no frame>" /* the row of stacks without frames: --python and --native may drop all of \
			one */

/* Rows for a measure, sorted by self.  Not for LODE_BY_TYPE.  The profile must outlive the view. */
void lode_view_init(struct lode_view *v, const struct lode_profile *p, enum lode_measure m,
		    enum lode_by by);
void lode_view_release(struct lode_view *v);

/* Self and total of every group for any measure; arrays of group_count, zeroed by the caller;
 * either may be NULL. A measure that was not recorded leaves them alone. */
void lode_view_sum(const struct lode_view *v, enum lode_measure m, int64_t *self, int64_t *total);

/* Ties: the larger total, then the name, so that two runs print the same. */
void lode_view_sort(struct lode_view *v, enum lode_sort sort);

/* The row's label as people read it; by function `name (file.py:line)`, by file the path, and so
 * on. */
const char *lode_row_label(const struct lode_view *v, const struct lode_row *r, char *buf,
			   size_t n);

/* Every node's own value and those below it, parents included; node_count values, the caller's to
 * free.  NULL: the measure was not recorded. */
int64_t *lode_inclusive(const struct lode_profile *p, enum lode_measure m);

#endif
