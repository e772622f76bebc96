/* A thread's life with the agent: begin, end, and the rare work at a hook's end (deferred samples, room claimed ahead). */
#ifndef LODE_LIFE_H
#define LODE_LIFE_H

#include <stdbool.h>
#include <stdint.h>

struct lode_thread;

/* Context: constructor. */
bool lode_life_init(void);

/* Makes t the calling thread's: stack bounds, lane, timer.  high 0: bounds unknown. */
void lode_life_begin(struct lode_thread *t, uintptr_t low, uintptr_t high, uintptr_t start_routine);
/* Accounts the residue, deletes the timer, gives the struct back. */
void lode_life_end(void);
/* Name, residue and end record of the thread, which lives on (exit, exec).  Context: busy. */
void lode_life_account_exit(struct lode_thread *t);

/* How many more times the module list is looked at for what a dlopen under way will have brought. */
extern uint32_t lode_life_late_looks;

/* Every thread's timer, for good.  Context: busy thread. */
void lode_life_stop_timers(void);

/* The forking thread's lane and timer in the new stream.  Context: fork child, busy. */
void lode_life_fork_child(struct lode_thread *t);

#endif
