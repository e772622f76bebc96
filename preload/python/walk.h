/* Python frames of the calling thread, read from the interpreter's own frame chain. */
#ifndef LODE_PYTHON_WALK_H
#define LODE_PYTHON_WALK_H

#include <stdbool.h>
#include <stdint.h>

struct lode_slot;

struct lode_python_frame {
	uintptr_t code;    /* PyCodeObject* */
	int32_t lasti;     /* byte offset of the instruction; -1: not started */
	bool is_entry;     /* the last Python frame of its evaluation loop: below it (rootwards) lies C */
	uintptr_t anchor;  /* an address inside the C frame of that evaluation loop; 0: the version has none.
	                      Set on the entry frame. */
};

enum lode_python_flags {
	LODE_PYTHON_PRESENT = 1,   /* the thread has an interpreter state */
	LODE_PYTHON_DROPPED = 2,   /* the chain could not be trusted: no frames are given */
	LODE_PYTHON_TRUNCATED = 4,
	LODE_PYTHON_GIL = 8,       /* the thread holds the GIL */
	LODE_PYTHON_GC = 16,       /* the collector runs */
	LODE_PYTHON_NOT_REPLAYABLE = 32,
};

struct lode_python_walk {
	/* in */
	bool in_signal;            /* validate every read; else the chain is known to be linked */
	uintptr_t stack_low, stack_high; /* C stack of the thread (anchors, cframes and shims lie there) */
	struct lode_python_frame *frames; /* leaf first */
	uint32_t capacity;
	struct lode_slot *slots;   /* as in unwind.h; NULL: not wanted.  Slot 0 is read through the thread state that
	                              lode_python_state() gave; the caller compares that first */
	uint32_t slot_capacity;
	/* in and out */
	uintptr_t state;           /* what lode_python_state() gave a moment ago; 0: it is asked */
	/* out */
	uint32_t depth, slot_count, flags;
};

/* The thread state of the calling thread, 0 if none (or no interpreter, or the thread is not ready).  1-5 ns.
 * Context: any thread, any signal. */
uintptr_t lode_python_state(void);

/* False where asking for the state could allocate: it is not asked until the thread was made ready.
 * Context: any / outside signals. */
bool lode_python_is_ready(void);
void lode_python_make_ready(void);

/* True if the thread with this state, as lode_python_state() gave it, holds the GIL.  Context: any. */
bool lode_python_holds_gil(uintptr_t state);

/* The address and word that identify the innermost position cheaply (frame and instruction), for a cache key;
 * false if there is no frame.  Context: hooks (not signals). */
bool lode_python_top(uintptr_t state, uintptr_t *frame, uintptr_t *instruction);

/* Context: any thread, any signal; no lock, no allocation; at most 300 bytes of stack. */
void lode_python_walk(struct lode_python_walk *w);

/* True if pc lies in the evaluation loop of the interpreter in use (hot and cold part). Context: any. */
bool lode_python_is_eval(uintptr_t pc);

#endif
