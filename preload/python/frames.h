/* What the two walks (walk.c for hooks, walk_signal.c for signals) share: how a frame is noted. */
#ifndef LODE_PYTHON_FRAMES_H
#define LODE_PYTHON_FRAMES_H

#include "python/interp.h"
#include "python/walk.h"

/* False when there is no room: the walk ends here. */
static inline bool lode_frames_push(struct lode_python_walk *w, uintptr_t code, int32_t lasti)
{
	if (w->depth == w->capacity) {
		w->flags |= LODE_PYTHON_TRUNCATED;
		return false;
	}
	w->frames[w->depth++] = (struct lode_python_frame){.code = code, .lasti = lasti};
	return true;
}

/* The last frame pushed is the outermost of its evaluation loop. */
static inline void lode_frames_entry(struct lode_python_walk *w, uintptr_t anchor)
{
	if (w->depth == 0 || w->frames[w->depth - 1].is_entry)
		return;
	w->frames[w->depth - 1].is_entry = true;
	w->frames[w->depth - 1].anchor = anchor;
}

/* From 3.12 on a class call runs __init__ above a frame of a constant code object of the interpreter's own
 * (_Py_InitCleanup), which tracebacks do not show.  Its file and name are one string, "__init__".  The object lies in
 * the interpreter's image, where code objects are few, so others cost two compares. */
static inline bool lode_frames_is_hidden(const struct lode_interp *interp, uintptr_t code)
{
	if (code - interp->image_start >= interp->image_end - interp->image_start || !interp->layout.owner_shim)
		return false;
	return lode_word(code, interp->layout.code_file) == lode_word(code, interp->layout.code_name);
}

/* The walk for signals, from 3.11 on. */
void lode_frames_walk_signal(struct lode_python_walk *w);

#endif
