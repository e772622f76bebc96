/* Python's own allocations: an event for every block of the interpreter's MEM and OBJ domains,
 * whatever allocator serves it, and a mapping for each of its arenas.
 *
 * The RAW domain stays as it is: it ends in libc's malloc, whose hook sees it, and may be called
 * without the GIL.  Memory is counted once: below a wrapper the thread is busy, so the malloc of a
 * large object and the mmap of an arena pass. */
#ifndef LODE_PYTHON_ALLOC_H
#define LODE_PYTHON_ALLOC_H

/* Puts the wrappers in front of the allocators in force, where they are not: before the interpreter
 * starts, and again after somebody replaced them (PYTHONMALLOC and -X dev while it starts,
 * tracemalloc.stop() when it gives back what it saved).  Does nothing in modes that do not record
 * objects, where no interpreter is known, or without the GIL.
 * Cost: 10 ns where nothing changed (3.12, where reading takes a lock: 50 ns).
 * Context: any thread outside signals; may be inside an allocation of the interpreter. */
void lode_python_alloc_check(void);

#endif
