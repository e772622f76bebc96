/* What hook_signal.c may ask of signals.c.  Context: any thread, outside our handler. */
#ifndef LODE_SIGNALS_STATE_H
#define LODE_SIGNALS_STATE_H

#include <stdbool.h>

struct lode_os_sigaction;

/* The program's action for SIGPROF. */
void lode_signals_get(struct lode_os_sigaction *a);
void lode_signals_set(const struct lode_os_sigaction *a);

/* Whether the calling thread believes that it blocks SIGPROF. */
bool lode_signals_blocked(void);
void lode_signals_believe(bool is_blocked);

/* Around a wait for a set with SIGPROF in it: blocked in the kernel, the thread known as one that waits. */
void lode_signals_wait_begin(unsigned *at);
void lode_signals_wait_end(unsigned at);

/* The program reads SIGPROF from a descriptor: sampling ends, the calling thread's mask becomes what it believes. */
void lode_signals_release(void);

#endif
