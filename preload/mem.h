/* The agent's own memory: never the program's malloc.  mem.c is the one file that knows jemalloc (a private, renamed
 * copy).  The caller gets NULL when there is none; nothing here aborts.
 * Context: any thread outside the signal handler; takes the private allocator's locks, never anything else's. */
#ifndef LODE_MEM_H
#define LODE_MEM_H

#include <stddef.h>

void *lode_mem_alloc(size_t bytes);
void *lode_mem_alloc_zeroed(size_t bytes);
void *lode_mem_realloc(void *p, size_t bytes);
void lode_mem_free(void *p);

/* fork: before in the parent; after in the parent, after in the child. */
void lode_mem_fork_prepare(void);
void lode_mem_fork_parent(void);
void lode_mem_fork_child(void);

#endif
