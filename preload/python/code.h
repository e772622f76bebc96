/* Code objects: each gets an id and is written once, at first sight; its death is watched, addresses are reused. */
#ifndef LODE_PYTHON_CODE_H
#define LODE_PYTHON_CODE_H

#include <stdbool.h>
#include <stdint.h>

/* The id of the code object at `code`, which is alive (a frame of the calling thread holds it); 0 when the table is
 * full or the object cannot be trusted.  With `validate`, reads are guarded on first sight.
 * Context: any thread, any signal.  No lock, no allocation. */
uint32_t lode_code_id(uintptr_t code, bool validate);

/* Changes when a code object has died: stacks cached by instruction address may be wrong.  Context: any. */
uint32_t lode_code_generation(void);

/* Makes room ahead.  Context: hooks. */
void lode_code_prepare(void);
/* A new stream numbers its own: forgets every id.  Context: after fork in the child, single thread. */
void lode_code_fork_child(void);

#endif
