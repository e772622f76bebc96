/* Lanes: moving from one segment to the next.  Contract in lane.h. */
#include "lane.h"

#include <sys/mman.h>

#include "clock.h"
#include "lode/varint.h"
#include "os.h"
#include "segment.h"

static uint8_t *put_long(uint8_t *p, unsigned id, const uint64_t *values, unsigned n)
{
	uint8_t body[4 * LODE_VARINT_MAX], *end = body;
	for (unsigned i = 0; i < n; i++)
		end = lode_varint_put(end, values[i]);
	*p++ = (uint8_t)(LODE_TAG_LONG | id);
	p = lode_varint_put(p, (uint64_t)(end - body));
	for (const uint8_t *b = body; b < end; b++)
		*p++ = *b;
	return p;
}

void lode_lane_name(struct lode_thread *t)
{
	struct lode_lane *l = &t->lane;
	uint64_t now = lode_ticks_release();
	if (now < l->last_time)
		now = l->last_time;
	uint8_t *p = put_long(l->at, LODE_RECORD_LANE, (uint64_t[]){(uint64_t)t->tid, now}, 2);
	p = put_long(p, LODE_RECORD_CLOCK, (uint64_t[]){lode_ticks_release(), lode_os_monotonic_ns()}, 2);
	l->last_time = now;
	l->last_address = 0;
	for (unsigned i = 0; i < LODE_SLOTS; i++) {
		l->addresses[i] = 0;
		l->sites[i].size = 0;
		l->sites[i].stack = l->sites[i].how = 0;
	}
	lode_lane_commit(t, p);
}

static void leave_segment(struct lode_lane *l)
{
	if (!l->segment)
		return;
	l->segment->last_time = l->last_time;
	lode_segment_seal(l->segment);
	l->segment = NULL;
	l->at = NULL;
}

bool lode_lane_room_slow(struct lode_thread *t, uint32_t bytes)
{
	struct lode_lane *l = &t->lane;
	uint8_t *end = l->segment ? (uint8_t *)l->segment + LODE_SEGMENT_BYTES : NULL;
	if (l->at && (uint64_t)(end - l->at) >= bytes)
		return true;
	if (bytes > LODE_SEGMENT_PAYLOAD_BYTES - 4 * LODE_LANE_SLACK)
		return false;
	struct lode_segment_header *next = l->spare ? l->spare : lode_segment_claim(LODE_PAYLOAD_RECORDS);
	if (!next)
		return false;
	leave_segment(l);
	l->spare = NULL;
	l->segment = next;
	l->at = lode_segment_payload(next);
	l->limit = (uint8_t *)next + LODE_SEGMENT_BYTES - LODE_LANE_SLACK;
	lode_lane_name(t);
	next->first_time = l->last_time;
	t->attention |= LODE_ATTENTION_PREPARE;
	return true;
}

void lode_lane_prepare(struct lode_thread *t)
{
	if (!t->lane.spare)
		t->lane.spare = lode_segment_claim(LODE_PAYLOAD_RECORDS);
}

static void detach(struct lode_segment_header *s)
{
	if (!s)
		return;
	lode_os_mmap(s, LODE_SEGMENT_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

void lode_lane_detach(struct lode_thread *t)
{
	detach(t->lane.segment);
	detach(t->lane.spare);
}
