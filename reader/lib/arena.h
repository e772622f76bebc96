/* Memory that is given back all at once, and strings held once each. */
#ifndef LODE_ARENA_H
#define LODE_ARENA_H

#include <stddef.h>
#include <stdint.h>

struct lode_arena_chunk;

struct lode_arena {
	struct lode_arena_chunk *chunks;
	size_t used, size;    /* of the newest chunk */
	const char **strings; /* interned: open addressing, power of two */
	size_t string_slots, string_count;
};

/* All zero is an empty arena. */
void lode_arena_release(struct lode_arena *a);
void *lode_arena_get(struct lode_arena *a, size_t bytes); /* aligned to 8, not cleared */
const void *lode_arena_copy(struct lode_arena *a, const void *data, size_t bytes);
/* The one copy of these bytes in the arena as a string; cut at the first NUL. */
const char *lode_arena_intern(struct lode_arena *a, const void *data, size_t bytes);
const char *lode_arena_print(struct lode_arena *a, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
