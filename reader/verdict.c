/* Growth verdicts.  Ten moments: a leak rises in most of them and leaves survivors in most; what is
 * allocated once rises once. */
#include "verdict.h"

#include <stdio.h>

enum { TENTHS = LODE_PROFILE_TENTHS, EARLY = 2 /* "two tenths" */, RISES_OF_A_LEAK = 5, QUIET = 3 };

const char *const lode_verdict_words[] = {"unknown", "growing", "start-up",
					  "recent",  "steady",  "unclear"};

static unsigned first_birth(const uint64_t *survivors)
{
	unsigned i = 0;
	while (i < TENTHS - 1 && !survivors[i])
		i++;
	return i;
}

static unsigned last_birth(const uint64_t *survivors)
{
	unsigned i = TENTHS - 1;
	while (i && !survivors[i])
		i--;
	return i;
}

static void count_steps(struct lode_verdict *v, const uint64_t *survivors, const uint64_t *live)
{
	for (unsigned i = 0; i < TENTHS; i++) {
		uint64_t before = i ? live[i - 1] : 0;
		v->rises += live[i] > before;
		v->falls += live[i] < before;
		v->births += survivors[i] > 0;
	}
}

static bool is_quiet_at_the_end(const uint64_t *live)
{
	for (unsigned i = TENTHS - QUIET; i < TENTHS; i++)
		if (live[i] > live[i - 1])
			return false;
	return true;
}

struct lode_verdict lode_verdict(const struct lode_profile *p, uint32_t node)
{
	struct lode_verdict v = {.kind = LODE_VERDICT_UNKNOWN};
	if (!p->survivors || !p->growth)
		return v;
	const uint64_t *survivors = p->survivors + (size_t)node * TENTHS,
		       *live = p->growth + (size_t)node * TENTHS;
	count_steps(&v, survivors, live);
	if (!v.births)
		return v;
	if (v.births >= RISES_OF_A_LEAK && v.rises >= RISES_OF_A_LEAK && v.falls <= 1) {
		v.kind = LODE_VERDICT_GROWING;
		snprintf(v.reason, sizeof(v.reason),
			 "rose in %u of 10 tenths of the time, and blocks of %u of them are still "
			 "live",
			 v.rises, v.births);
	} else if (last_birth(survivors) < EARLY) {
		v.kind = LODE_VERDICT_STARTUP;
		snprintf(v.reason, sizeof(v.reason), "all allocated in the first %s, none since",
			 last_birth(survivors) ? "two tenths" : "tenth");
	} else if (first_birth(survivors) == TENTHS - 1) {
		v.kind = LODE_VERDICT_RECENT;
		snprintf(v.reason, sizeof(v.reason),
			 "all allocated in the last tenth: may be in use");
	} else if (is_quiet_at_the_end(live)) {
		v.kind = LODE_VERDICT_STEADY;
		snprintf(v.reason, sizeof(v.reason), "no growth in the last %d tenths", QUIET);
	} else {
		v.kind = LODE_VERDICT_UNCLEAR;
		snprintf(v.reason, sizeof(v.reason), "rose in %u and fell in %u of 10 tenths",
			 v.rises, v.falls);
	}
	return v;
}
