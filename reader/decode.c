/* Bytes to events.  Contract in decode.h; called by info.c and replay.c.
 *
 * A record other than a long one has at most 51 bytes (a tag and five varints), which is less than
 * the padding after a payload: so one is read without a check on each byte, and checked once at its
 * end. */
#include "decode.h"

#include <string.h>

#include "lode/varint.h"
#include "source.h"

_Static_assert(1 + 5 * LODE_VARINT_MAX <= LODE_SOURCE_PADDING, "a record fits the padding");

#define LOW_BITS UINT64_C(0x7f7f7f7f7f7f7f7f)
#define HIGH_BITS UINT64_C(0x8080808080808080)

void lode_lane_init(struct lode_lane *l, const uint8_t *data, size_t bytes)
{
	memset(l, 0, sizeof(*l));
	l->p = data;
	l->end = data + bytes;
}

/* The tenth byte holds one bit; more is not a varint: NULL. */
static __attribute__((noinline, cold)) const uint8_t *long_varint(const uint8_t *p, uint64_t *v)
{
	return lode_varint_get(p, p + LODE_VARINT_MAX, v);
}

/* Without a branch for the length: it would be mispredicted too often. */
static inline const uint8_t *take(const uint8_t *p, uint64_t *v)
{
	uint64_t w;
	memcpy(&w, p, sizeof(w));
	uint64_t stop = ~w & HIGH_BITS;
	if (__builtin_expect(!stop, 0))
		return long_varint(p, v);
	unsigned bits = (unsigned)__builtin_ctzll(stop);
	w &= (stop ^ (stop - 1)) & LOW_BITS;
	w = (w & UINT64_C(0x007f007f007f007f)) | (w & UINT64_C(0x7f007f007f007f00)) >> 1;
	w = (w & UINT64_C(0x00003fff00003fff)) | (w & UINT64_C(0x3fff00003fff0000)) >> 2;
	w = (w & UINT64_C(0x000000000fffffff)) | (w & UINT64_C(0x0fffffff00000000)) >> 4;
	*v = w;
	return p + (bits >> 3) + 1;
}

static inline const uint8_t *take_address(struct lode_lane *l, const uint8_t *p)
{
	uint64_t delta;
	p = take(p, &delta);
	if (__builtin_expect(!p, 0))
		return NULL;
	l->address = lode_rotl4(lode_rotr4(l->address) + (uint64_t)lode_unzigzag(delta));
	l->addresses[LODE_ADDRESS_SLOT(l->address)] = l->address;
	return p;
}

static inline void give_alloc(const struct lode_lane *l, const struct lode_site *site,
			      struct lode_event *e)
{
	e->address = l->address;
	e->size = site->size;
	e->stack = site->stack;
	e->kind = LODE_EVENT_ALLOC;
	e->detail = (uint16_t)site->how;
}

static inline const uint8_t *take_alloc(struct lode_lane *l, const uint8_t *p, struct lode_event *e)
{
	uint64_t delta, how, stack, size;
	if (!(p = take(p, &delta)) || !(p = take(p, &how)) || !(p = take(p, &stack)) ||
	    !(p = take(p, &size)) || !(p = take_address(l, p)))
		return NULL;
	if (how > UINT16_MAX || stack > UINT32_MAX)
		return NULL;
	l->time += delta;
	struct lode_site *site = &l->sites[LODE_SITE_SLOT(stack, size, how)];
	*site = (struct lode_site){.size = size, .stack = (uint32_t)stack, .how = (uint32_t)how};
	give_alloc(l, site, e);
	return p;
}

static const uint8_t *take_sample(struct lode_lane *l, const uint8_t *p, struct lode_event *e)
{
	uint64_t delta, flags, weight, stack;
	if (!(p = take(p, &delta)) || !(p = take(p, &flags)) || !(p = take(p, &weight)) ||
	    !(p = take(p, &stack)))
		return NULL;
	if (stack > UINT32_MAX)
		return NULL;
	l->time += delta;
	e->weight_ns = weight;
	e->size = 0;
	e->stack = (uint32_t)stack;
	e->kind = LODE_EVENT_SAMPLE;
	e->detail = (uint16_t)flags;
	return p;
}

static inline void give_free(const struct lode_lane *l, struct lode_event *e)
{
	e->address = l->address;
	e->size = 0;
	e->stack = 0;
	e->kind = LODE_EVENT_FREE;
	e->detail = 0;
}

static const uint8_t *take_other(struct lode_lane *l, unsigned tag, const uint8_t *p,
				 struct lode_event *e)
{
	uint64_t delta;
	if (tag == LODE_TAG_ALLOC)
		return take_alloc(l, p, e);
	if (tag == LODE_TAG_SAMPLE)
		return take_sample(l, p, e);
	if (tag != LODE_TAG_FREE || !(p = take(p, &delta)) || !(p = take_address(l, p)))
		return NULL;
	l->time += delta;
	give_free(l, e);
	return p;
}

/* ---- long records ------------------------------------------------------------------------- */

static bool is_timed(unsigned id)
{
	switch ((enum lode_record)id) {
#define X(number, name, timed)   \
	case LODE_RECORD_##name: \
		return timed;
		LODE_RECORDS(X)
#undef X
	}
	return false;
}

static void reset(struct lode_lane *l, struct lode_fields f)
{
	(void)lode_field_number(&f);
	uint64_t time = lode_field_number(&f);
	l->time = f.is_short ? 0 : time;
	l->address = 0;
	memset(l->addresses, 0, sizeof(l->addresses));
	memset(l->sites, 0, sizeof(l->sites));
}

/* `p` is after the tag.  *is_known false: nothing is given. */
static const uint8_t *take_long(struct lode_lane *l, unsigned id, const uint8_t *p,
				struct lode_event *e, bool *is_known)
{
	uint64_t bytes;
	p = take(p, &bytes);
	if (!p || p > l->end || bytes > (uint64_t)(l->end - p))
		return NULL;
	struct lode_fields f = {.p = p, .end = p + bytes};
	*is_known = lode_record_name(id);
	if (id == LODE_RECORD_LANE)
		reset(l, f);
	else if (is_timed(id))
		l->time += lode_field_number(&f);
	e->data = f.p;
	e->size = (uint64_t)(f.end - f.p);
	e->stack = 0;
	e->kind = LODE_EVENT_RECORD;
	e->detail = (uint16_t)id;
	return p + bytes;
}

struct lode_fields lode_event_fields(const struct lode_event *e)
{
	return (struct lode_fields){.p = e->data, .end = e->data + e->size};
}

uint64_t lode_field_number(struct lode_fields *f)
{
	uint64_t v;
	const uint8_t *p = lode_varint_get(f->p, f->end, &v);
	if (p) {
		f->p = p;
		return v;
	}
	f->is_short = true;
	f->p = f->end;
	return 0;
}

const void *lode_field_bytes(struct lode_fields *f, size_t *bytes)
{
	uint64_t n = lode_field_number(f);
	if (n > (uint64_t)(f->end - f->p)) {
		f->is_short = true;
		n = (uint64_t)(f->end - f->p); /* a name that was cut is better than none */
	}
	const void *p = f->p;
	f->p += n;
	*bytes = (size_t)n;
	return p;
}

/* ---- the loop ----------------------------------------------------------------------------- */

size_t lode_lane_decode(struct lode_lane *l, struct lode_event *events, size_t max)
{
	size_t n = 0;
	const uint8_t *p = l->p;
	while (n < max && p < l->end) {
		struct lode_event *e = &events[n];
		unsigned tag = *p++;
		uint64_t delta = 0;
		bool is_given = true;
		if (tag >> 6 == LODE_TAG_ALLOC_SITE >> 6) {
			p = take(p, &delta);
			l->time += delta;
			if (__builtin_expect(!p || !(p = take_address(l, p)), 0))
				break;
			give_alloc(l, &l->sites[tag & 63], e);
		} else if (tag >> 6 == LODE_TAG_FREE_SLOT >> 6) {
			p = take(p, &delta);
			l->time += delta;
			l->address = l->addresses[tag & 63];
			l->addresses[LODE_ADDRESS_SLOT(l->address)] = l->address;
			give_free(l, e);
		} else if (tag >> 6) {
			p = take_other(l, tag, p, e);
		} else {
			p = take_long(l, tag, p, e, &is_given);
		}
		if (__builtin_expect(!p || p > l->end, 0))
			break;
		e->time = l->time;
		l->p = p;
		n += is_given;
	}
	if (n < max && l->p < l->end) {
		l->is_damaged = true;
		l->p = l->end;
	}
	return n;
}

const char *lode_record_name(unsigned id)
{
	static const char *const names[] = {
#define X(number, name, timed) [number] = #name,
		LODE_RECORDS(X)
#undef X
	};
	return id < sizeof(names) / sizeof(names[0]) ? names[id] : NULL;
}

const char *lode_how_name(unsigned how)
{
	static const char *const names[] = {
#define X(number, name, text) [number] = text,
		LODE_HOWS(X)
#undef X
	};
	return how < sizeof(names) / sizeof(names[0]) ? names[how] : NULL;
}
