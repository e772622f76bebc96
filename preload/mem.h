/* The agent's own memory: never the program's malloc.  mem.c is the one file that knows jemalloc (a private, renamed
 * copy).  The caller gets NULL when there is none; nothing here aborts.
 * Used by the refresh of the module list alone, which a fork waits for (process.c): so no fork meets its locks.
 * Context: the refreshing thread, outside signals. */
#ifndef LODE_MEM_H
#define LODE_MEM_H

#include <stddef.h>

void *lode_mem_alloc(size_t bytes);
void *lode_mem_alloc_zeroed(size_t bytes);
void *lode_mem_realloc(void *p, size_t bytes);
void lode_mem_free(void *p);

#endif
