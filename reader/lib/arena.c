/* Chunks of memory and a table of strings.  Contract in arena.h. */
#include "arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

#define CHUNK_BYTES (64u * 1024u)

struct lode_arena_chunk {
	struct lode_arena_chunk *next;
	char data[];
};

void lode_arena_release(struct lode_arena *a)
{
	while (a->chunks) {
		struct lode_arena_chunk *next = a->chunks->next;
		free(a->chunks);
		a->chunks = next;
	}
	free(a->strings);
	*a = (struct lode_arena){0};
}

void *lode_arena_get(struct lode_arena *a, size_t bytes)
{
	bytes = (bytes + 7) & ~(size_t)7;
	if (bytes > a->size - a->used) {
		size_t size = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
		struct lode_arena_chunk *c = lode_alloc(sizeof(*c) + size);
		c->next = a->chunks;
		a->chunks = c;
		a->size = size;
		a->used = 0;
	}
	void *p = a->chunks->data + a->used;
	a->used += bytes;
	return p;
}

const void *lode_arena_copy(struct lode_arena *a, const void *data, size_t bytes)
{
	void *p = lode_arena_get(a, bytes + 1);
	if (bytes)
		memcpy(p, data, bytes);
	((char *)p)[bytes] = 0;
	return p;
}

static uint64_t hash_bytes(const char *s, size_t n)
{
	uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)s[i]) * 0x100000001b3u;
	return h ^ h >> 29;
}

static void grow_strings(struct lode_arena *a)
{
	size_t slots = a->string_slots ? 2 * a->string_slots : 256;
	const char **table = lode_alloc_zeroed(slots, sizeof(*table));
	for (size_t i = 0; i < a->string_slots; i++) {
		const char *s = a->strings[i];
		if (!s)
			continue;
		size_t at = hash_bytes(s, strlen(s)) & (slots - 1);
		while (table[at])
			at = (at + 1) & (slots - 1);
		table[at] = s;
	}
	free(a->strings);
	a->strings = table;
	a->string_slots = slots;
}

const char *lode_arena_intern(struct lode_arena *a, const void *data, size_t bytes)
{
	const char *s = data;
	size_t n = bytes ? strnlen(s, bytes) : 0;
	if (2 * (a->string_count + 1) > a->string_slots)
		grow_strings(a);
	size_t at = hash_bytes(s, n) & (a->string_slots - 1);
	for (; a->strings[at]; at = (at + 1) & (a->string_slots - 1))
		if (!strncmp(a->strings[at], n ? s : "", n) && !a->strings[at][n])
			return a->strings[at];
	a->strings[at] = lode_arena_copy(a, s, n);
	a->string_count++;
	return a->strings[at];
}

const char *lode_arena_print(struct lode_arena *a, const char *format, ...)
{
	va_list arguments, again;
	va_start(arguments, format);
	va_copy(again, arguments);
	int n = vsnprintf(NULL, 0, format, arguments);
	char *s = lode_arena_get(a, (size_t)(n < 0 ? 0 : n) + 1);
	s[0] = 0;
	if (n >= 0)
		vsnprintf(s, (size_t)n + 1, format, again);
	va_end(again);
	va_end(arguments);
	return s;
}
