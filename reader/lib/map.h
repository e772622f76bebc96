/* A hash map from 64-bit keys to 32-bit values: open addressing, no removal. */
#ifndef LODE_MAP_H
#define LODE_MAP_H

#include <stddef.h>
#include <stdint.h>

struct lode_map_entry {
	uint64_t key;
	uint32_t value;
	uint32_t is_used;
};

struct lode_map { /* all zero is an empty map */
	struct lode_map_entry *entries;
	size_t slots, count;
};

#define LODE_MAP_NONE UINT32_MAX

void lode_map_release(struct lode_map *m);
uint32_t lode_map_get(const struct lode_map *m, uint64_t key); /* LODE_MAP_NONE: not there */
/* The place of the key's value, made with `value` if it was not there.  Valid until the next call.
 */
uint32_t *lode_map_put(struct lode_map *m, uint64_t key, uint32_t value);

#endif
