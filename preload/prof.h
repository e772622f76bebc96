/* What the sampler and the signal hooks share: whether we sample, and which SIGPROFs are ours.
 * Context: any thread, any signal. */
#ifndef LODE_PROF_H
#define LODE_PROF_H

#include <signal.h>
#include <stdbool.h>

/* What our timers carry; the program's signals do not. */
extern const char lode_prof_cookie;

static inline bool lode_prof_is_ours(const siginfo_t *info)
{
	return info->si_code == SI_TIMER && info->si_value.sival_ptr == (const void *)&lode_prof_cookie;
}

/* SIGPROF is ours in the kernel and samples are taken. */
bool lode_prof_is_on(void);
void lode_prof_begin(void);
/* For good: the program needs SIGPROF in a way that we cannot stand in for, or forbids our system calls. */
void lode_prof_end(void);

#endif
