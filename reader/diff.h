/* The difference of two profiles: rows of both, matched by what they are, not by where they stand.
 */
#ifndef LODE_DIFF_H
#define LODE_DIFF_H

#include "view.h"

enum lode_diff_state {
	LODE_DIFF_NEW,
	LODE_DIFF_GONE,
	LODE_DIFF_GREW,
	LODE_DIFF_SHRANK,
	LODE_DIFF_SAME
};
extern const char *const lode_diff_state_words[]; /* "new", "gone", "grew", "shrank", "same" */

struct lode_diff_row {
	const struct lode_view *view; /* the view that `row` belongs to: names and labels it */
	const struct lode_row *row;   /* after's, or before's where it is gone */
	bool is_before, is_after;     /* which side has it */
	int64_t before, after;        /* self, summed over all rows that match */
	int64_t before_total, after_total;
	int64_t before_count, after_count;
};

struct lode_diff {
	struct lode_diff_row *rows; /* by change of the total, the largest first */
	size_t row_count;
};

/* By function, rows match by name, file and module (a function that moved within its file is the
 * same); by line also by the line; by stack by all frames' names, files and modules.  Both views
 * must outlive the diff. */
void lode_diff_init(struct lode_diff *d, const struct lode_view *before,
		    const struct lode_view *after);
void lode_diff_release(struct lode_diff *d);
enum lode_diff_state lode_diff_state(const struct lode_diff_row *r);
/* By the change of total, or of self. */
void lode_diff_sort(struct lode_diff *d, bool by_total);

#endif
