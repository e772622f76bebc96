/* The CPU sampler: one CPU-time timer a thread, SIGPROF, weights from the thread's CPU clock.
 *
 * A CPU timer is looked at by the kernel's tick only, so it delivers at most HZ signals a second and thread; a sample's
 * weight is the CPU time since the thread's last one, which stays exact whatever is delivered.  What is left at a
 * thread's exit is accounted then. */
#ifndef LODE_SAMPLER_H
#define LODE_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

struct lode_thread;

/* Installs the handler.  Context: constructor. */
bool lode_sampler_init(void);

/* The calling thread's timer.  Context: the thread, outside signals. */
void lode_sampler_start(struct lode_thread *t);
void lode_sampler_stop(struct lode_thread *t);

/* A sample that was deferred, at the end of the hook with frame address `frame`.  Context: hook, busy. */
void lode_sampler_take_deferred(struct lode_thread *t, void *frame);

/* The CPU time since the last sample was ours (start-up): it is nobody's.  Context: the thread, busy. */
void lode_sampler_skip(struct lode_thread *t);

/* Accounts the CPU time since the last sample to the thread's start routine.  Context: the thread, busy. */
void lode_sampler_account_residue(struct lode_thread *t);

/* The child's clocks start anew.  Context: fork child. */
void lode_sampler_fork_child(struct lode_thread *t);

#endif
