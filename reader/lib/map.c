/* 64-bit keys to 32-bit values.  Contract in map.h. */
#include "map.h"

#include <stdlib.h>

#include "error.h"

static size_t home(uint64_t key, size_t slots)
{
	key ^= key >> 32;
	key *= 0x9e3779b97f4a7c15u;
	return (size_t)(key ^ key >> 29) & (slots - 1);
}

static size_t find(const struct lode_map *m, uint64_t key)
{
	size_t at = home(key, m->slots);
	while (m->entries[at].is_used && m->entries[at].key != key)
		at = (at + 1) & (m->slots - 1);
	return at;
}

static void grow(struct lode_map *m)
{
	struct lode_map old = *m;
	m->slots = old.slots ? 2 * old.slots : 64;
	m->entries = lode_alloc_zeroed(m->slots, sizeof(*m->entries));
	for (size_t i = 0; i < old.slots; i++)
		if (old.entries[i].is_used)
			m->entries[find(m, old.entries[i].key)] = old.entries[i];
	free(old.entries);
}

void lode_map_release(struct lode_map *m)
{
	free(m->entries);
	*m = (struct lode_map){0};
}

uint32_t lode_map_get(const struct lode_map *m, uint64_t key)
{
	if (!m->slots)
		return LODE_MAP_NONE;
	const struct lode_map_entry *e = &m->entries[find(m, key)];
	return e->is_used ? e->value : LODE_MAP_NONE;
}

uint32_t *lode_map_put(struct lode_map *m, uint64_t key, uint32_t value)
{
	if (2 * (m->count + 1) > m->slots)
		grow(m);
	struct lode_map_entry *e = &m->entries[find(m, key)];
	if (!e->is_used) {
		*e = (struct lode_map_entry){.key = key, .value = value, .is_used = 1};
		m->count++;
	}
	return &e->value;
}
