/* Ticks to nanoseconds.  Contract in clock.h; called by info.c and replay.c. */
#include "clock.h"

#include <math.h>

#define RATE_LEAST 1e-3 /* ns a tick: nothing real ticks a thousand times a nanosecond */
#define RATE_MOST 1e6

static bool is_sane(double rate)
{
	return rate >= RATE_LEAST && rate <= RATE_MOST;
}

struct lode_clock lode_clock_fit(const struct lode_clock_pair *pairs, size_t n, bool *is_guess)
{
	*is_guess = true;
	if (!n)
		return (struct lode_clock){.ns_per_tick = 1};
	const struct lode_clock_pair *first = pairs, *last = pairs;
	for (size_t i = 1; i < n; i++) {
		if (pairs[i].ticks < first->ticks)
			first = &pairs[i];
		if (pairs[i].ticks > last->ticks)
			last = &pairs[i];
	}
	struct lode_clock c = {.origin = *first};
	if (last->ticks > first->ticks && last->ns > first->ns)
		c.ns_per_tick =
			(double)(last->ns - first->ns) / (double)(last->ticks - first->ticks);
	*is_guess = !is_sane(c.ns_per_tick);
	if (*is_guess)
		c.ns_per_tick = first->ticks ? (double)first->ns / (double)first->ticks : 0;
	if (!is_sane(c.ns_per_tick))
		c.ns_per_tick = 1;
	return c;
}

/* Saturates: what a damaged time converts to does not matter, as long as it is defined. */
static uint64_t shifted(uint64_t origin, double by)
{
	double r = (double)origin + by;
	if (!(r > 0))
		return 0;
	if (r >= 9e18)
		return UINT64_C(9000000000000000000);
	return by < 0 ? origin - (uint64_t)-by : origin + (uint64_t)by;
}

static double distance(uint64_t from, uint64_t to)
{
	return to >= from ? (double)(to - from) : -(double)(from - to);
}

uint64_t lode_clock_ns(const struct lode_clock *c, uint64_t ticks)
{
	return shifted(c->origin.ns, distance(c->origin.ticks, ticks) * c->ns_per_tick);
}

uint64_t lode_clock_ticks(const struct lode_clock *c, uint64_t ns)
{
	return shifted(c->origin.ticks, distance(c->origin.ns, ns) / c->ns_per_tick);
}

bool lode_clock_agrees(const struct lode_clock *c, const struct lode_clock_pair *pairs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		double off = distance(pairs[i].ns, lode_clock_ns(c, pairs[i].ticks));
		double span = distance(c->origin.ns, pairs[i].ns);
		if (fabs(off) > 20e6 + fabs(span) * 1e-3)
			return false;
	}
	return true;
}
