/* Which clock there is.  Contract in clock.h. */
#include "clock.h"

#include <cpuid.h>

bool lode_clock_is_tsc, lode_clock_is_shared;

void lode_clock_init(void)
{
	unsigned a, b, c, d;
	/* CPUID 80000007h EDX bit 8: invariant TSC; 80000001h EDX bit 27: rdtscp (AMD and Intel manuals) */
	bool is_invariant = __get_cpuid(0x80000007, &a, &b, &c, &d) && (d >> 8 & 1);
	bool has_rdtscp = __get_cpuid(0x80000001, &a, &b, &c, &d) && (d >> 27 & 1);
	lode_clock_is_tsc = is_invariant && has_rdtscp;
}
