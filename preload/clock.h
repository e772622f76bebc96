/* Time in ticks.  x86 with an invariant TSC: its value / 16 (16 cycles are less than a cache line takes from one core to
 * another, so events of different threads on one block cannot tie wrongly); else nanoseconds of CLOCK_MONOTONIC.
 * Context: any thread, any signal. */
#ifndef LODE_CLOCK_H
#define LODE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "os.h"

extern bool lode_clock_is_tsc; /* set by the constructor */
/* Set before the process' second thread: until then the order within the one lane is all there is, and the stamp after an
 * acquisition need not wait for it (rdtscp costs twice an rdtsc). */
extern bool lode_clock_is_shared;
void lode_clock_init(void);

#define LODE_TICK_SHIFT 4

/* The two sides of the ordering invariants in event.h. */
static inline uint64_t lode_ticks_release(void)
{
	if (__builtin_expect(lode_clock_is_tsc, 1)) {
		uint32_t low, high;
		__asm__ volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
		return ((uint64_t)high << 32 | low) >> LODE_TICK_SHIFT;
	}
	return lode_os_monotonic_ns();
}

static inline uint64_t lode_ticks_acquire(void)
{
	if (__builtin_expect(lode_clock_is_tsc, 1)) {
		uint32_t low, high, cpu;
		if (!lode_clock_is_shared)
			return lode_ticks_release();
		__asm__ volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(cpu)::"memory");
		return ((uint64_t)high << 32 | low) >> LODE_TICK_SHIFT;
	}
	return lode_os_monotonic_ns();
}

#endif
