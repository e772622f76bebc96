/* Encodes into buffers that are claimed by a flag each.  Called by code.c at a code object's first sight. */
#include "python/utf8.h"

#define BUFFERS 8
static struct {
	bool is_held;
	unsigned char first[LODE_UTF8_MAX], second[LODE_UTF8_MAX];
} buffers[BUFFERS];

static uint32_t code_point(const struct lode_utf8_source *s, size_t i)
{
	if (s->kind == 1)
		return ((const uint8_t *)s->data)[i];
	if (s->kind == 2)
		return ((const uint16_t *)s->data)[i];
	return ((const uint32_t *)s->data)[i];
}

static size_t put(unsigned char *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (unsigned char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (unsigned char)(0xc0 | c >> 6);
		out[1] = (unsigned char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (unsigned char)(0xe0 | c >> 12);
		out[1] = (unsigned char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (unsigned char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (unsigned char)(0xf0 | (c >> 18 & 7));
	out[1] = (unsigned char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (unsigned char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (unsigned char)(0x80 | (c & 0x3f));
	return 4;
}

static struct lode_event_bytes encode(const struct lode_utf8_source *s, unsigned char *buffer)
{
	size_t bytes = 0;

	if (s->is_ascii)
		return (struct lode_event_bytes){s->data, s->length < LODE_UTF8_MAX ? s->length : LODE_UTF8_MAX};
	if (s->kind != 1 && s->kind != 2 && s->kind != 4)
		return (struct lode_event_bytes){NULL, 0};
	for (size_t i = 0; i < s->length && bytes + 4 <= LODE_UTF8_MAX; i++)
		bytes += put(buffer + bytes, code_point(s, i));
	return (struct lode_event_bytes){buffer, bytes};
}

bool lode_utf8_begin(struct lode_utf8 *u, const struct lode_utf8_source *first, const struct lode_utf8_source *second)
{
	u->buffer = -1;
	if (!first->is_ascii || !second->is_ascii) {
		for (int i = 0; i < BUFFERS && u->buffer < 0; i++)
			if (!__atomic_exchange_n(&buffers[i].is_held, true, __ATOMIC_ACQUIRE))
				u->buffer = i;
		if (u->buffer < 0)
			return false;
	}
	int held = u->buffer < 0 ? 0 : u->buffer; /* not touched where both are ASCII */

	u->first = encode(first, buffers[held].first);
	u->second = encode(second, buffers[held].second);
	return true;
}

void lode_utf8_end(struct lode_utf8 *u)
{
	if (u->buffer >= 0)
		__atomic_store_n(&buffers[u->buffer].is_held, false, __ATOMIC_RELEASE);
}

void lode_utf8_fork_child(void)
{
	for (int i = 0; i < BUFFERS; i++)
		buffers[i].is_held = false;
}
