/* The thread state of a thread, and the walk for hooks.
 *
 * In a hook the chain is linked: the thread is inside a call that the interpreter made, and only the thread itself
 * changes its chain.  So everything is read directly; about 1 ns a frame. */
#include "python/walk.h"

#include <pthread.h>

#include "python/code.h"
#include "python/frames.h"
#include "python/interp.h"
#include "unwind.h"

/* ---- thread state ------------------------------------------------------------------------- */

/* True once the positions of autoTSSkey and tstate_current gave what the interpreter's functions give: from then on
 * they are read without a call. */
static bool is_confirmed;

/* Py_tss_t: {int is_initialized; pthread_key_t key}. */
static inline uintptr_t own_by_key(uintptr_t key_object)
{
	if (!lode_word32(key_object, 0))
		return 0; /* before Py_Initialize, or after Py_Finalize */
	return (uintptr_t)pthread_getspecific(lode_word32(key_object, 4));
}

/* The thread has its part of libpython's thread-local storage. */
static _Thread_local bool is_ready __attribute__((tls_model("initial-exec")));

bool lode_python_is_ready(void)
{
	return is_ready || !lode_interp.is_state_lazy;
}

void lode_python_make_ready(void)
{
	if (!__atomic_load_n(&lode_interp.is_known, __ATOMIC_ACQUIRE) || lode_python_is_ready())
		return;
	lode_interp.own_state();
	is_ready = true;
}

__attribute__((noinline, cold)) static uintptr_t own_by_call(const struct lode_interp *interp)
{
	const struct lode_python_layout *layout = &interp->layout;
	uintptr_t own = lode_python_is_ready() ? (uintptr_t)interp->own_state() : 0; /* uninitialised: NULL */

	if (!own || !layout->runtime_key || own_by_key(interp->runtime + layout->runtime_key) != own)
		return own;
	if (layout->runtime_current &&
	    lode_word(interp->runtime, layout->runtime_current) != (uintptr_t)interp->current_state())
		return own;
	__atomic_store_n(&is_confirmed, true, __ATOMIC_RELAXED);
	return own;
}

/* To 3.11 the key gives the thread's first state, while code of a subinterpreter may run: the state that holds the GIL
 * is the one if it is this thread's.  Asked only where there is more than one interpreter, so that the state of another
 * thread, which may go away, is not read in vain. */
static uintptr_t prefer_current(const struct lode_interp *interp, uintptr_t own)
{
	const struct lode_python_layout *layout = &interp->layout;
	uintptr_t current = lode_word(interp->runtime, layout->runtime_current);
	uintptr_t head;

	if (current == own || !current)
		return own;
	head = lode_word(interp->runtime, layout->runtime_interpreters);
	if (!head || !lode_word(head, layout->interp_next))
		return own;
	return lode_word(current, layout->thread_id) == (uintptr_t)pthread_self() ? current : own;
}

uintptr_t lode_python_state(void)
{
	const struct lode_interp *interp = &lode_interp;
	uintptr_t own, finalizing;

	if (!__atomic_load_n(&interp->is_known, __ATOMIC_ACQUIRE))
		return 0;
	own = __atomic_load_n(&is_confirmed, __ATOMIC_RELAXED) ?
		      own_by_key(interp->runtime + interp->layout.runtime_key) :
		      own_by_call(interp);
	if (!own)
		return 0;
	/* Once finalisation has begun the states of other threads are freed under them. */
	finalizing = lode_word(interp->runtime, interp->layout.runtime_finalizing);
	if (__builtin_expect(finalizing != 0, 0) && finalizing != own)
		return 0;
	return interp->layout.runtime_current ? prefer_current(interp, own) : own;
}

bool lode_python_top(uintptr_t state, uintptr_t *frame, uintptr_t *instruction)
{
	const struct lode_python_layout *layout = &lode_interp.layout;
	uintptr_t top = lode_word(state, layout->thread_frame);

	if (layout->chain == LODE_CHAIN_CFRAMES)
		top = lode_word(top, layout->cframe_frame);
	if (!top)
		return false;
	*frame = top;
	*instruction = lode_word(top, layout->frame_instr);
	return true;
}

/* ---- what is noted beside the frames ------------------------------------------------------ */

static inline void slot(struct lode_python_walk *w, uintptr_t object, uint32_t offset)
{
	if (!w->slots)
		return;
	if (w->slot_count == w->slot_capacity) {
		w->flags |= LODE_PYTHON_NOT_REPLAYABLE;
		return;
	}
	w->slots[w->slot_count++] = (struct lode_slot){
		.address = (const uintptr_t *)(object + offset), .value = lode_word(object, offset),
	};
}

bool lode_python_holds_gil(uintptr_t state)
{
	const struct lode_interp *interp = &lode_interp;
	const struct lode_python_layout *layout = &interp->layout;

	if (!layout->thread_gil_mask)
		return lode_word(interp->runtime, layout->runtime_current) == state;
	return lode_word32(state, layout->thread_gil) & layout->thread_gil_mask;
}

/* gc.collecting is an int with padding behind it: as a word it is 0 or 1 too. */
static void note_lock_and_collector(const struct lode_interp *interp, struct lode_python_walk *w)
{
	const struct lode_python_layout *layout = &interp->layout;
	uintptr_t object = interp->runtime;
	uint32_t offset = layout->runtime_collecting;

	if (lode_python_holds_gil(w->state))
		w->flags |= LODE_PYTHON_GIL;
	if (!offset) {
		object = lode_word(w->state, layout->thread_interp);
		offset = layout->interp_collecting;
	}
	if (!object || !offset)
		return;
	slot(w, object, offset);
	if (lode_word32(object, offset) != 1)
		return;
	/* Whoever collects holds the GIL; a stack without it must not be taken for one with it later. */
	w->flags |= w->flags & LODE_PYTHON_GIL ? LODE_PYTHON_GC : LODE_PYTHON_NOT_REPLAYABLE;
}

/* ---- to 3.10: frame objects --------------------------------------------------------------- */

/* Guards a signal's walk.  None was ever seen to need it: these chains are linked at every instruction. */
static bool is_plausible(uintptr_t object)
{
	return object >= 65536 && object % 8 == 0 && object >> 47 == 0;
}

static void walk_objects(const struct lode_python_layout *layout, struct lode_python_walk *w)
{
	for (uintptr_t frame = lode_word(w->state, layout->thread_frame), back; frame; frame = back) {
		if (w->in_signal && !is_plausible(frame)) {
			w->flags |= LODE_PYTHON_DROPPED;
			return;
		}
		int32_t lasti = (int32_t)lode_word32(frame, layout->frame_instr);

		back = lode_word(frame, layout->frame_back);
		if (!lode_frames_push(w, lode_word(frame, layout->frame_code),
				      lasti < 0 ? -1 : lasti * layout->lasti_unit))
			return;
		lode_frames_entry(w, 0);
		slot(w, frame, layout->frame_code);
		slot(w, frame, layout->frame_instr);
		slot(w, frame, layout->frame_back);
	}
}

/* ---- from 3.11: frames of their own ------------------------------------------------------- */

/* Before its first RESUME a frame builds its cells; the line of what it executes is none. */
#define PROLOGUE_BYTES 64

static inline int32_t offset_in_code(const struct lode_python_layout *layout, uintptr_t code, uintptr_t instr)
{
	intptr_t lasti = (intptr_t)(instr - code - layout->code_instructions);

	if (lasti < PROLOGUE_BYTES && lasti < 2 * (intptr_t)lode_word32(code, layout->code_first_traceable))
		return -1;
	return (int32_t)lasti;
}

/* 3.11: the frame that carries the mark is the last of its cframe.  The mark itself needs no slot: it lies where the
 * next cframe's first frame begins, and the cframes are compared. */
static inline uintptr_t next_cframe(const struct lode_python_layout *layout, struct lode_python_walk *w, uintptr_t cframe)
{
	if (!cframe)
		return 0;
	slot(w, cframe, layout->cframe_previous);
	cframe = lode_word(cframe, layout->cframe_previous);
	if (cframe)
		slot(w, cframe, layout->cframe_frame);
	return cframe;
}

/* The code object is implied by the instruction's address while it lives, the owner by the frame's address: shims lie
 * on the C stack, other frames never do. */
static void walk_chain(const struct lode_interp *interp, struct lode_python_walk *result)
{
	const struct lode_python_layout *layout = &interp->layout;
	struct lode_python_walk now = *result, *w = &now; /* a copy, which stays in registers */
	uintptr_t frame = lode_word(w->state, layout->thread_frame), cframe = 0;

	if (layout->chain == LODE_CHAIN_CFRAMES) {
		cframe = frame;
		frame = lode_word(cframe, layout->cframe_frame);
		slot(w, cframe, layout->cframe_frame);
	}
	for (uintptr_t back; frame; frame = back) {
		back = lode_word(frame, layout->frame_back);
		if (layout->owner_shim && lode_byte(frame, layout->frame_owner) >= layout->owner_shim) {
			slot(w, frame, layout->frame_back);
			lode_frames_entry(w, frame);
			continue;
		}
		uintptr_t code = lode_word(frame, layout->frame_code) & ~(uintptr_t)layout->frame_code_tag;
		uintptr_t instr = lode_word(frame, layout->frame_instr);

		slot(w, frame, layout->frame_instr);
		slot(w, frame, layout->frame_back);
		if (!lode_frames_is_hidden(interp, code) &&
		    !lode_frames_push(w, code, offset_in_code(layout, code, instr)))
			break;
		if (layout->frame_is_entry && lode_byte(frame, layout->frame_is_entry)) {
			lode_frames_entry(w, cframe);
			cframe = next_cframe(layout, w, cframe);
		}
	}
	*result = now;
}

void lode_python_walk(struct lode_python_walk *w)
{
	const struct lode_interp *interp = &lode_interp;

	w->depth = 0;
	w->slot_count = 0;
	w->flags = 0;
	if (!w->state)
		w->state = lode_python_state();
	if (!w->state)
		return;
	w->flags = LODE_PYTHON_PRESENT;
	slot(w, w->state, interp->layout.thread_frame);
	note_lock_and_collector(interp, w);
	if (interp->layout.chain == LODE_CHAIN_OBJECTS)
		walk_objects(&interp->layout, w);
	else if (w->in_signal)
		lode_frames_walk_signal(w);
	else
		walk_chain(interp, w);
	if (w->flags & LODE_PYTHON_DROPPED)
		w->depth = w->slot_count = 0;
}
