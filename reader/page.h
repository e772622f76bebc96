/* Pieces of text that several views share: the title line, a table of rows, what was lost. */
#ifndef LODE_PAGE_H
#define LODE_PAGE_H

#include "out_text.h"
#include "view.h"

/* How many rows: what -n says, all where it is 0, else `normal`, or all in JSON and CSV. */
size_t lode_page_limit(const struct lode_view_options *o, size_t normal);

/* "app.lode: CPU time: 12.3 s (CPU samples: 1,204)" and the part of the recording that is meant. */
void lode_page_title(const struct lode_output *out, const struct lode_profile *p,
		     enum lode_measure m);
/* The first `limit` rows, and what the others hold. */
void lode_page_rows(const struct lode_output *out, const struct lode_view *v, size_t limit);
/* Where a good part of the samples hit the agent: what that means for shares of CPU time. */
void lode_page_late(const struct lode_output *out, const struct lode_profile *p,
		    enum lode_measure m);
/* Only where there is something to say: lost events and samples, dropped Python parts, damage. */
void lode_page_lost(const struct lode_output *out, const struct lode_profile *p);
/* The same, and that there are notices. */
void lode_page_losses(const struct lode_output *out, const struct lode_profile *p);

/* The frames of a stack as lines, leaf first, at most `most` (0: all, else long runs of native frames
 * below Python ones are cut as well); the caller's to free. */
char *lode_page_stack(const struct lode_profile *p, uint32_t node, size_t most);

/* "samples", "allocations", "blocks": what a measure's count counts. */
const char *lode_page_counted(enum lode_measure m);

#endif
