/* Open addressing with linear probing, at most half full: ids are dense, so the things themselves
 * stay in plain arrays. */
#include "lib/intern.h"

#include <stdlib.h>
#include <string.h>

#include "lib/error.h"

#define FIRST_SLOTS 1024u

/* splitmix64's finaliser (Steele, Lea, Flood 2014): every bit of the key reaches the low bits that
 * pick the slot. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static uint64_t hash_string(const char *s)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * UINT64_C(0x100000001b3);
	return mix(h);
}

static uint64_t hash_pair(uint32_t a, uint32_t b)
{
	return mix(((uint64_t)a << 32 | b) + UINT64_C(0x9e3779b97f4a7c15));
}

static void *grow(void *array, size_t count, size_t *capacity, size_t item_bytes)
{
	if (count < *capacity)
		return array;
	*capacity = *capacity ? *capacity * 2 : FIRST_SLOTS / 2;
	return lode_realloc(array, *capacity * item_bytes);
}

static void slots_insert(struct lode_intern_slots *s, uint64_t hash, uint32_t id)
{
	size_t i = hash & s->mask;

	while (s->ids[i])
		i = (i + 1) & s->mask;
	s->ids[i] = id + 1;
}

/* Room for one more than `count`; true when the slots were emptied and every id has to be inserted
 * again. */
static int slots_reserve(struct lode_intern_slots *s, size_t count)
{
	size_t slots = s->mask ? s->mask + 1 : FIRST_SLOTS;

	if (s->mask && (count + 1) * 2 <= slots)
		return 0;
	if (s->mask)
		slots *= 2;
	free(s->ids);
	s->ids = lode_alloc_zeroed(slots, sizeof(*s->ids));
	s->mask = slots - 1;
	return 1;
}

uint32_t lode_intern_string(struct lode_intern_strings *t, const char *s)
{
	uint64_t hash = hash_string(s ? s : "");
	uint32_t id;

	if (slots_reserve(&t->slots, t->count))
		for (size_t i = 0; i < t->count; i++)
			slots_insert(&t->slots, hash_string(t->strings[i]), (uint32_t)i);
	for (size_t i = hash & t->slots.mask; (id = t->slots.ids[i]); i = (i + 1) & t->slots.mask)
		if (!strcmp(t->strings[id - 1], s ? s : ""))
			return id - 1;
	t->strings = grow(t->strings, t->count, &t->capacity, sizeof(*t->strings));
	t->strings[t->count] = s ? s : "";
	slots_insert(&t->slots, hash, (uint32_t)t->count);
	return (uint32_t)t->count++;
}

void lode_intern_strings_release(struct lode_intern_strings *t)
{
	free(t->slots.ids);
	free(t->strings);
	memset(t, 0, sizeof(*t));
}

uint32_t lode_intern_pair(struct lode_intern_pairs *t, uint32_t a, uint32_t b)
{
	uint64_t hash = hash_pair(a, b);
	uint32_t id;

	if (slots_reserve(&t->slots, t->count))
		for (size_t i = 0; i < t->count; i++)
			slots_insert(&t->slots, hash_pair(t->pairs[i].a, t->pairs[i].b),
				     (uint32_t)i);
	for (size_t i = hash & t->slots.mask; (id = t->slots.ids[i]); i = (i + 1) & t->slots.mask)
		if (t->pairs[id - 1].a == a && t->pairs[id - 1].b == b)
			return id - 1;
	t->pairs = grow(t->pairs, t->count, &t->capacity, sizeof(*t->pairs));
	t->pairs[t->count] = (struct lode_intern_pair){ a, b };
	slots_insert(&t->slots, hash, (uint32_t)t->count);
	return (uint32_t)t->count++;
}

void lode_intern_pairs_release(struct lode_intern_pairs *t)
{
	free(t->slots.ids);
	free(t->pairs);
	memset(t, 0, sizeof(*t));
}
