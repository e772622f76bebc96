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

/* The same for the time of a call that brings its own mask; what waits arrives inside the call. */
void lode_signals_believe_inside(bool is_blocked);

/* Around a wait for a set with SIGPROF in it: blocked in the kernel, the thread known as one that waits. */
void lode_signals_wait_begin(unsigned *at);
void lode_signals_wait_end(unsigned at);

/* One of the program's own waits, for the calling thread or the process. */
bool lode_signals_is_pending(void);

/* The program reads signals from this descriptor and would take SIGPROF from it. */
void lode_signals_note_descriptor(int fd);

#endif
