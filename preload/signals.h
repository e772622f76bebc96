/* SIGPROF as the program sees it.  The kernel's disposition is ours; the program's is kept here and its own SIGPROFs
 * (no cookie of ours) are delivered to it exactly.  The signal is never blocked in the kernel: what the program asks for
 * is remembered per thread, and a SIGPROF of its own that comes meanwhile waits. */
#ifndef LODE_SIGNALS_H
#define LODE_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

struct lode_os_sigaction;
struct lode_thread;

/* The disposition from before us becomes the program's.  Context: constructor. */
void lode_signals_adopt(const struct lode_os_sigaction *before);

/* A SIGPROF that is not ours: does what the program's disposition says.  Context: the handler. */
void lode_signals_deliver(int sig, siginfo_t *info, void *context);

/* The thread's mask as it came (inherited at exec or from the creator): SIGPROF is taken out, remembered.
 * Context: thread start. */
void lode_signals_begin_thread(struct lode_thread *t, bool creator_blocks);

/* Notice: a thread got no timer. */
void lode_signals_note_no_timer(int error);

/* exec: the kernel's disposition and mask become what the program believes; undone when exec fails.
 * Context: the thread, busy. */
void lode_signals_before_exec(struct lode_thread *t);
void lode_signals_after_failed_exec(struct lode_thread *t);

#endif
