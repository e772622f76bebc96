/* Cuts lanes into records; see records.h and the grammar in format.h. */
#include "records.h"

#include "lode/format.h"
#include "lode/varint.h"

#define SLOT_TAG_MASK 0xc0u

static uint64_t timed_mask(void)
{
	uint64_t mask = 0;
#define X(id, name, timed) mask |= (uint64_t)(timed) << (id);
	LODE_RECORDS(X)
#undef X
	return mask;
}

void lode_records_init(struct lode_records *r, const void *payload, size_t bytes)
{
	*r = (struct lode_records){
		.next = payload,
		.end = (const uint8_t *)payload + bytes,
		.timed_record_mask = timed_mask(),
	};
}

static const uint8_t *skip_varints(const uint8_t *p, const uint8_t *end, unsigned n)
{
	uint64_t ignored;
	while (n-- > 0 && p)
		p = lode_varint_get(p, end, &ignored);
	return p;
}

/* A LANE record's time is absolute: v thread id, v time. */
static void take_lane_time(struct lode_records *r, const struct lode_record_slice *s)
{
	const uint8_t *end = s->payload + s->payload_bytes;
	const uint8_t *p = skip_varints(s->payload, end, 1);
	uint64_t time;
	if (p && lode_varint_get(p, end, &time))
		r->time = time;
}

static const uint8_t *cut_long(struct lode_records *r, const uint8_t *p, struct lode_record_slice *s)
{
	uint64_t bytes, delta;
	p = lode_varint_get(p, r->end, &bytes);
	if (!p || bytes > (uint64_t)(r->end - p))
		return NULL;
	s->payload = p;
	s->payload_bytes = (size_t)bytes;
	if (s->id == LODE_RECORD_LANE)
		take_lane_time(r, s);
	else if (r->timed_record_mask >> s->id & 1 && lode_varint_get(p, p + bytes, &delta))
		r->time += delta;
	return p + bytes;
}

/* Fields after the time delta; -1: not a tag. */
static int fields_of(uint8_t tag)
{
	switch (tag) {
	case LODE_TAG_ALLOC_SITE:
		return 1;
	case LODE_TAG_FREE_SLOT:
		return 0;
	case LODE_TAG_ALLOC:
		return 4;
	case LODE_TAG_FREE:
		return 1;
	case LODE_TAG_SAMPLE:
		return 3;
	default:
		return -1;
	}
}

bool lode_records_next(struct lode_records *r, struct lode_record_slice *s)
{
	if (r->next >= r->end)
		return false;

	const uint8_t *p = r->next;
	uint8_t tag = *p++;
	*s = (struct lode_record_slice){ .start = r->next, .tag = tag };
	if ((tag & SLOT_TAG_MASK) != SLOT_TAG_MASK)
		s->tag = tag & SLOT_TAG_MASK;

	if (s->tag == LODE_TAG_LONG) {
		s->id = tag & ~SLOT_TAG_MASK;
		p = cut_long(r, p, s);
	} else {
		uint64_t delta;
		int fields = fields_of(s->tag);
		p = fields < 0 ? NULL : lode_varint_get(p, r->end, &delta);
		if (p && (p = skip_varints(p, r->end, (unsigned)fields)))
			r->time += delta;
	}
	if (!p)
		return false;
	r->next = p;
	return true;
}

static bool is_residue(const struct lode_record_slice *s, const uint8_t *end)
{
	uint64_t flags = 0;
	const uint8_t *p = skip_varints(s->start + 1, end, 1);
	return p && lode_varint_get(p, end, &flags) && flags & LODE_SAMPLE_RESIDUE;
}

void lode_records_count(const void *payload, size_t bytes, struct lode_records_tally *sum)
{
	struct lode_records r;
	struct lode_record_slice s;

	lode_records_init(&r, payload, bytes);
	while (lode_records_next(&r, &s)) {
		if (s.tag == LODE_TAG_SAMPLE) {
			bool is_sample = !is_residue(&s, r.end);
			sum->events += is_sample;
			sum->samples += is_sample;
		} else if (s.tag != LODE_TAG_LONG || s.id == LODE_RECORD_MAP || s.id == LODE_RECORD_UNMAP) {
			sum->events++;
		}
	}
	if (r.time > sum->last_time)
		sum->last_time = r.time;
}
