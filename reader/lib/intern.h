/* Numbers for things that are equal: strings, and pairs of numbers.  Ids are given in order of
 * first sight, from 0. No knowledge of recordings.  Init with zeroes; release frees. */
#ifndef LODE_INTERN_H
#define LODE_INTERN_H

#include <stddef.h>
#include <stdint.h>

/* A hash table of ids: slots hold id + 1, 0 is free.  Part of the two below. */
struct lode_intern_slots {
	uint32_t *ids;
	size_t mask; /* slots - 1; 0: none yet */
};

struct lode_intern_strings {
	struct lode_intern_slots slots;
	const char **strings; /* by id; the caller's memory, not copied */
	size_t count, capacity;
};

/* NULL counts as "". */
uint32_t lode_intern_string(struct lode_intern_strings *t, const char *s);
void lode_intern_strings_release(struct lode_intern_strings *t);

struct lode_intern_pair {
	uint32_t a, b;
};

struct lode_intern_pairs {
	struct lode_intern_slots slots;
	struct lode_intern_pair *pairs; /* by id */
	size_t count, capacity;
};

uint32_t lode_intern_pair(struct lode_intern_pairs *t, uint32_t a, uint32_t b);
void lode_intern_pairs_release(struct lode_intern_pairs *t);

#endif
