/* Reading what may not be there. */
#ifndef LODE_PYTHON_GUARD_H
#define LODE_PYTHON_GUARD_H

#include <stdbool.h>
#include <stdint.h>

/* Copies `bytes` (a multiple of 8, at most a page) from an 8-aligned address; false where that cannot be read.
 * Context: any thread, any signal. */
bool lode_guard_read(uintptr_t from, void *to, uint32_t bytes);

#endif
