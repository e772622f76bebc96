/* How far a long job is: one line on standard error, only on a terminal, only after a second. */
#ifndef LODE_PROGRESS_H
#define LODE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct lode_progress {
	const char *what; /* "reading" */
	uint64_t total, done;
	double started, printed; /* seconds */
	bool is_on;
};

void lode_progress_start(struct lode_progress *p, const char *what, uint64_t total, bool is_wanted);
void lode_progress_add(struct lode_progress *p, uint64_t more);
void lode_progress_end(struct lode_progress *p); /* clears the line */

#endif
