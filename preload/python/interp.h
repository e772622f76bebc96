/* The interpreter of this process, if there is one: found by its exported symbols, verified, or refused. */
#ifndef LODE_PYTHON_INTERP_H
#define LODE_PYTHON_INTERP_H

#include <stdbool.h>
#include <stdint.h>

#include "python/image.h"
#include "python/layouts.h"

/* Looks for an interpreter: in the constructor, and again whenever modules were loaded until one is found.  Writes a
 * PYTHON record, or a notice where the version or build is unknown (native frames only then).
 * Context: any thread outside signals, no lock held. */
void lode_interp_look(void);
bool lode_interp_is_known(void);
/* True once the search is over for the modules seen so far (nothing to do in the hot path). */

/* ---- for the files of this directory ------------------------------------------------------ */

#define LODE_EVAL_PARTS 4

/* Written once by lode_interp_look, before is_known is set with release; constant after that. */
struct lode_interp {
	bool is_known;
	uint32_t hexversion;
	struct lode_python_layout layout; /* the row, and what the debug offsets say beside it */
	uintptr_t runtime;                /* &_PyRuntime */
	uintptr_t code_type, unicode_type, bytes_type;
	uintptr_t image_start, image_end;
	struct lode_range eval[LODE_EVAL_PARTS]; /* hot part first, then cold ones; unused: {0, 0} */
	void *(*own_state)(void);     /* PyGILState_GetThisThreadState */
	bool is_state_lazy;           /* a thread's first own_state() may allocate: lode_python_make_ready() */
	void *(*current_state)(void); /* _PyThreadState_UncheckedGet: to 3.11, where it reads the runtime */
	uintptr_t get_allocator, set_allocator; /* PyMem_GetAllocator, PyMem_SetAllocator; 0: not exported */
	uintptr_t get_arenas, set_arenas;       /* PyObject_GetArenaAllocator, ... */
};
extern struct lode_interp lode_interp;

/* Reads a word or a part of one at a byte offset of an object. */
static inline uintptr_t lode_word(uintptr_t object, uint32_t offset)
{
	return __atomic_load_n((const uintptr_t *)(object + offset), __ATOMIC_RELAXED);
}

static inline uint32_t lode_word32(uintptr_t object, uint32_t offset)
{
	return __atomic_load_n((const uint32_t *)(object + offset), __ATOMIC_RELAXED);
}

static inline uint8_t lode_byte(uintptr_t object, uint32_t offset)
{
	return __atomic_load_n((const uint8_t *)(object + offset), __ATOMIC_RELAXED);
}

#endif
