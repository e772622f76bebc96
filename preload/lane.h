/* A thread's lane: the place where its records go.  Contract and encoding: "Lane state" in format.h.
 * Context: the owning thread, busy or in its signal handler; never both at once. */
#ifndef LODE_LANE_H
#define LODE_LANE_H

#include <stdbool.h>
#include <stdint.h>

#include "thread.h"

/* Every event record fits into this: tag, four varints of at most 10 bytes, an address. */
#define LODE_LANE_SLACK 64u

/* Makes room for a record of `bytes` (at most LODE_LANE_SLACK for events): seals the segment and goes on in the spare
 * or a new one.  False: there is none, the record is lost (the caller counts it). */
bool lode_lane_room_slow(struct lode_thread *t, uint32_t bytes);

/* A spare for the signal handler.  Context: hooks. */
void lode_lane_prepare(struct lode_thread *t);

/* In a forked child, inside an interrupted hook: private memory takes the place of the parent's segments. */
void lode_lane_detach(struct lode_thread *t);

/* Names the thread in the lane (a pooled lane with a new owner). */
void lode_lane_name(struct lode_thread *t);

static inline bool lode_lane_room(struct lode_thread *t)
{
	if (likely(t->lane.at && t->lane.at <= t->lane.limit))
		return true;
	return lode_lane_room_slow(t, LODE_LANE_SLACK);
}

/* Publishes everything up to `at`. */
static inline void lode_lane_commit(struct lode_thread *t, uint8_t *at)
{
	struct lode_segment_header *s = t->lane.segment;
	t->lane.at = at;
	__atomic_store_n(&s->committed, (uint32_t)(at - (uint8_t *)s - LODE_SEGMENT_HEADER_BYTES), __ATOMIC_RELEASE);
}

#endif
