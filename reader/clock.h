/* Ticks to nanoseconds, by the pairs that CLOCK records give. */
#ifndef LODE_READER_CLOCK_H
#define LODE_READER_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lode_clock_pair {
	uint64_t ticks, ns; /* of CLOCK_MONOTONIC */
};

struct lode_clock {
	struct lode_clock_pair origin;
	double ns_per_tick; /* > 0 */
};

/* The line through the first and the last pair in ticks.  With one pair the rate is guessed: both
 * counters start near the machine's start; with none a tick is taken for a nanosecond.  *is_guess
 * says so. */
struct lode_clock lode_clock_fit(const struct lode_clock_pair *pairs, size_t n, bool *is_guess);

/* CLOCK_MONOTONIC; never below 0. */
uint64_t lode_clock_ns(const struct lode_clock *c, uint64_t ticks);
uint64_t lode_clock_ticks(const struct lode_clock *c, uint64_t ns);

/* True when every pair lies within 20 ms and 0.1 % of the line. */
bool lode_clock_agrees(const struct lode_clock *c, const struct lode_clock_pair *pairs, size_t n);

#endif
