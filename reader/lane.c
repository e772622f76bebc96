/* The recorder's own lane; see lane.h.  Field orders: LODE_RECORDS in format.h. */
#include "lane.h"

#include <string.h>

#include "lode/format.h"
#include "lode/varint.h"
#include "ticks.h"

#define NOTICE_MAX 800
#define RECORD_MAX (NOTICE_MAX + 4 * LODE_VARINT_MAX)

static void put_long(struct lode_lane_writer *l, enum lode_record id, const uint8_t *payload, size_t n)
{
	if (l->used + 1 + LODE_VARINT_MAX + n > sizeof l->bytes)
		return;
	uint8_t *p = l->bytes + l->used;
	*p++ = (uint8_t)(LODE_TAG_LONG | id);
	p = lode_varint_put(p, n);
	memcpy(p, payload, n);
	l->used = (size_t)(p + n - l->bytes);
}

/* The time delta of a record made now; advances the lane's time. */
static uint64_t delta(struct lode_lane_writer *l)
{
	uint64_t now = lode_ticks_now(), before = l->last_time;
	if (now < before)
		now = before;
	l->last_time = now;
	return now - before;
}

static void put_numbers(struct lode_lane_writer *l, enum lode_record id, const uint64_t *v, size_t n)
{
	uint8_t payload[4 * LODE_VARINT_MAX], *p = payload;
	for (size_t i = 0; i < n; i++)
		p = lode_varint_put(p, v[i]);
	put_long(l, id, payload, (size_t)(p - payload));
}

void lode_lane_begin_at(struct lode_lane_writer *l, uint32_t pid, uint64_t time)
{
	l->used = 0;
	l->pid = pid;
	l->first_time = l->last_time = time;
	put_numbers(l, LODE_RECORD_LANE, (uint64_t[]){ pid, time }, 2);
}

void lode_lane_begin(struct lode_lane_writer *l, uint32_t pid)
{
	lode_lane_begin_at(l, pid, lode_ticks_now());
	lode_lane_clock(l);
}

void lode_lane_clock(struct lode_lane_writer *l)
{
	uint64_t before = lode_ticks_now(), ns = lode_monotonic_ns(), after = lode_ticks_now();
	put_numbers(l, LODE_RECORD_CLOCK, (uint64_t[]){ before + (after - before) / 2, ns }, 2);
}

void lode_lane_rss(struct lode_lane_writer *l, uint32_t pid, uint64_t bytes)
{
	put_numbers(l, LODE_RECORD_RSS, (uint64_t[]){ delta(l), pid, bytes }, 3);
}

void lode_lane_exit(struct lode_lane_writer *l, uint32_t pid, uint32_t wait_status)
{
	put_numbers(l, LODE_RECORD_EXIT, (uint64_t[]){ delta(l), pid, wait_status }, 3);
}

void lode_lane_lost(struct lode_lane_writer *l, const struct lode_lane_losses *lost)
{
	put_numbers(l, LODE_RECORD_LOST,
		    (uint64_t[]){ lost->events, lost->samples, lost->first_errno, lost->python_dropped }, 4);
}

void lode_lane_notice(struct lode_lane_writer *l, unsigned severity, const char *text)
{
	uint8_t payload[RECORD_MAX], *p = payload;
	size_t n = strnlen(text, NOTICE_MAX);
	p = lode_varint_put(p, delta(l));
	p = lode_varint_put(p, severity);
	p = lode_varint_put(p, n);
	memcpy(p, text, n);
	put_long(l, LODE_RECORD_NOTICE, payload, (size_t)(p + n - payload));
}
