/* A line of progress.  Contract in progress.h. */
#include "progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define FIRST_SECONDS 1.0
#define EVERY_SECONDS 0.2

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void lode_progress_start(struct lode_progress *p, const char *what, uint64_t total, bool is_wanted)
{
	*p = (struct lode_progress){.what = what, .total = total};
	p->is_on = is_wanted && total && isatty(STDERR_FILENO);
	if (p->is_on)
		p->started = now();
}

void lode_progress_add(struct lode_progress *p, uint64_t more)
{
	p->done += more;
	if (!p->is_on)
		return;
	double t = now();
	if (t - p->started < FIRST_SECONDS || t - p->printed < EVERY_SECONDS)
		return;
	double part = (double)p->done / (double)p->total;
	part = part > 1 ? 1 : part;
	double left = part > 0 ? (t - p->started) * (1 - part) / part : 0;
	fprintf(stderr, "\rlode: %s: %3.0f %%, about %.0f s left \033[K", p->what, part * 100,
		left);
	fflush(stderr);
	p->printed = t;
}

void lode_progress_end(struct lode_progress *p)
{
	if (p->is_on && p->printed > 0)
		fputs("\r\033[K", stderr);
	p->is_on = false;
}
