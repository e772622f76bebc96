/* Code objects: each gets an id and is written once, at first sight; its death is watched, addresses are reused. */
#ifndef LODE_PYTHON_CODE_H
#define LODE_PYTHON_CODE_H

#include <stdbool.h>
#include <stdint.h>

/* The id of the code object at `code`, which is alive (a frame of the calling thread holds it); 0 when the table is
 * full or the object cannot be trusted.  With `validate`, reads are guarded on first sight.
 * Context: any thread, any signal.  No lock, no allocation. */
uint32_t lode_code_id(uintptr_t code, bool validate);

/* Changes when a code object has died, or could not be written yet: stacks cached by instruction address may be wrong.
 * Context: any. */
uint32_t lode_code_generation(void);

/* True when room runs low, or the calling thread was never prepared.  Context: any. */
bool lode_code_wants_room(void);
/* Makes room ahead, and the thread ready (python/walk.h).  Context: hooks. */
void lode_code_prepare(void);
/* A new stream numbers its own: forgets every id.  Context: after fork in the child, single thread. */
void lode_code_fork_child(void);

/* ---- for the files of this directory ------------------------------------------------------ */

/* Begins to watch for deaths.  Context: lode_interp_look. */
void lode_code_watch(void);

struct lode_code_facts {
	uint32_t bytes;          /* of its instructions */
	uint32_t prologue_bytes; /* before the first RESUME */
};
/* What is remembered of a code object that has an id; false: it has none.  Nothing is read from the object.
 * Context: any. */
bool lode_code_facts(uintptr_t code, struct lode_code_facts *facts);

#endif
