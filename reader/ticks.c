/* The recording's clock on the recorder's side; see ticks.h. */
#include "ticks.h"

#include <stdbool.h>
#include <time.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <x86intrin.h>
#endif

static uint64_t clock_ns(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t lode_monotonic_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t lode_realtime_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

#if defined(__x86_64__)
static bool tsc_is_invariant(void)
{
	static int known; /* 0: not asked, 1: no, 2: yes */
	if (!known) {
		unsigned a, b, c, d = 0;
		known = 1;
		if (__get_cpuid(0x80000007, &a, &b, &c, &d) && (d & 1u << 8))
			known = 2;
	}
	return known == 2;
}

uint64_t lode_ticks_now(void)
{
	return tsc_is_invariant() ? __rdtsc() >> 4 : lode_monotonic_ns();
}
#else
uint64_t lode_ticks_now(void)
{
	return lode_monotonic_ns();
}
#endif
