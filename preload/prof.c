/* Contract in prof.h. */
#include "prof.h"

const char lode_prof_cookie;

static bool is_on;

bool lode_prof_is_on(void)
{
	return __atomic_load_n(&is_on, __ATOMIC_RELAXED);
}

void lode_prof_begin(void)
{
	__atomic_store_n(&is_on, true, __ATOMIC_RELAXED);
}

void lode_prof_end(void)
{
	__atomic_store_n(&is_on, false, __ATOMIC_RELAXED);
}
