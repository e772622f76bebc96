/* The recording's clock, read by the recorder exactly as the agent reads it: the TSC in steps of 16 cycles where the
 * processor says it is invariant (CPUID 80000007h, EDX bit 8: Intel SDM vol. 3, 18.17.1), else CLOCK_MONOTONIC in ns. */
#ifndef LODE_TICKS_H
#define LODE_TICKS_H

#include <stdint.h>

uint64_t lode_ticks_now(void);
uint64_t lode_monotonic_ns(void);
uint64_t lode_realtime_ns(void);

#endif
