/* The recorder's own lane: what it saw of the processes from outside (resident memory, exits, losses, notices), as
 * records of stream 0.  Gathered in memory, taken out as the payload of a block. */
#ifndef LODE_LANE_H
#define LODE_LANE_H

#include <stddef.h>
#include <stdint.h>

#define LODE_LANE_BYTES 32768u

struct lode_lane_writer {
	uint8_t bytes[LODE_LANE_BYTES];
	size_t used;
	uint64_t first_time, last_time; /* ticks; times within a lane never decrease */
	uint32_t pid;
};

struct lode_lane_losses {
	uint64_t events, samples;
	uint32_t first_errno;
	uint64_t python_dropped;
};

/* Starts an empty payload: LANE and CLOCK, at the present time. */
void lode_lane_begin(struct lode_lane_writer *l, uint32_t pid);

/* The same for a recording that is over: at `time`, without CLOCK. */
void lode_lane_begin_at(struct lode_lane_writer *l, uint32_t pid, uint64_t time);

/* True when another record may not fit: take the payload out and begin anew. */
static inline int lode_lane_is_full(const struct lode_lane_writer *l)
{
	return l->used > LODE_LANE_BYTES - 1024;
}

/* Records; each stamped with the present time.  One that does not fit is left out. */
void lode_lane_clock(struct lode_lane_writer *l);
void lode_lane_rss(struct lode_lane_writer *l, uint32_t pid, uint64_t bytes);
void lode_lane_exit(struct lode_lane_writer *l, uint32_t pid, uint32_t wait_status);
void lode_lane_lost(struct lode_lane_writer *l, const struct lode_lane_losses *lost);
void lode_lane_notice(struct lode_lane_writer *l, unsigned severity, const char *text); /* cut at 800 bytes */

#endif
