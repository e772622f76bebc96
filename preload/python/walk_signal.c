/* The walk for signals, from 3.11 on: every read is safe, and what cannot be true is dropped, never repaired.
 *
 * The signal may have hit between two stores of the interpreter.  3.11 and 3.12 publish a _PyCFrame in the prologue of
 * _PyEval_EvalFrameDefault before it is filled (both its words are whatever the C stack held), and an inlined call
 * publishes a frame a few instructions before it is linked.  So:
 *  - frames of the thread's data stack are read directly, once found inside a chunk of its chunk list, which only this
 *    thread changes, in the right order;
 *  - what lies on the thread's C stack above the handler (cframes, shims) is read directly;
 *  - anything else (frames inside generators) is copied by the kernel, which says so where there is nothing;
 *  - the owner must fit the place, the code must be a code object, the instruction must lie inside it;
 *  - each segment of the chain must end where the next cframe says that it begins (3.11, 3.12), and the chain must end
 *    at a boundary. */
#include "python/code.h"
#include "python/frames.h"
#include "python/guard.h"

enum { OWNER_THREAD = 0, OWNER_GENERATOR = 1, OWNER_LAST = 4 };

enum place { NOWHERE, ON_DATA_STACK, ON_C_STACK, ELSEWHERE };

struct reader {
	const struct lode_python_layout *layout;
	struct lode_python_walk *w;
	uintptr_t stack_low, stack_high;   /* the part of the C stack that is surely there */
	uintptr_t chunk, chunk_end;        /* the data stack's chunk in which the last frame was found */
	uint64_t copy[10];
	enum place place;
};
_Static_assert(sizeof(((struct reader *)0)->copy) >= 80, "holds the largest frame");

/* _PyStackChunk: {previous, size, top}, then the frames. */
#define CHUNK_HEADER 24
#define CHUNKS_MAX 4096

static bool is_in(uintptr_t p, uint32_t bytes, uintptr_t low, uintptr_t high)
{
	return p >= low && high >= bytes && p <= high - bytes;
}

/* Frames are met leaf first, so the chunk of a frame is the last one's or an older one. */
static bool is_on_data_stack(struct reader *r, uintptr_t p)
{
	uintptr_t chunk = r->chunk;

	for (unsigned i = 0; chunk && i < CHUNKS_MAX; i++) {
		if (is_in(p, r->layout->frame_bytes, chunk + CHUNK_HEADER, chunk + lode_word(chunk, 8))) {
			r->chunk = chunk;
			return true;
		}
		chunk = lode_word(chunk, 0);
	}
	return false;
}

/* An address to read `bytes` at, holding what is at p; 0 if there is nothing. */
static uintptr_t fetch(struct reader *r, uintptr_t p, uint32_t bytes)
{
	if (is_in(p, bytes, r->stack_low, r->stack_high)) {
		r->place = ON_C_STACK;
		return p;
	}
	r->place = ELSEWHERE;
	return lode_guard_read(p, r->copy, bytes) ? (uintptr_t)r->copy : 0;
}

static uintptr_t fetch_frame(struct reader *r, uintptr_t p)
{
	if (p % 8 != 0)
		return 0;
	if (is_on_data_stack(r, p)) {
		r->place = ON_DATA_STACK;
		return p;
	}
	return fetch(r, p, r->layout->frame_bytes);
}

static bool is_owner_plausible(const struct reader *r, unsigned owner)
{
	if (r->layout->owner_shim && owner >= r->layout->owner_shim)
		return owner <= OWNER_LAST && r->place != ON_DATA_STACK;
	return owner == (r->place == ON_DATA_STACK ? OWNER_THREAD : OWNER_GENERATOR);
}

/* Code objects that already have an id are alive and have been checked. */
static bool check_code(uintptr_t code, struct lode_code_facts *facts)
{
	uint64_t header[3]; /* ob_refcnt, ob_type, ob_size */

	if (lode_code_facts(code, facts))
		return true;
	if (!lode_guard_read(code, header, sizeof(header)) || header[1] != lode_interp.code_type)
		return false;
	facts->bytes = header[2] > INT32_MAX / 2 ? INT32_MAX : (uint32_t)header[2] * 2;
	facts->prologue_bytes = 0;
	return true;
}

/* Pushes the frame at `at` (a safe copy or the frame itself).  False: not to be trusted. */
static bool push_checked(struct reader *r, uintptr_t at, bool *is_full)
{
	const struct lode_python_layout *layout = r->layout;
	uintptr_t code = lode_word(at, layout->frame_code) & ~(uintptr_t)layout->frame_code_tag;
	intptr_t lasti = (intptr_t)(lode_word(at, layout->frame_instr) - code - layout->code_instructions);
	struct lode_code_facts facts;

	if (!check_code(code, &facts) || lasti < -2 || lasti >= (intptr_t)facts.bytes)
		return false;
	if (lasti < (intptr_t)facts.prologue_bytes)
		lasti = -1;
	*is_full = !lode_frames_is_hidden(&lode_interp, code) && !lode_frames_push(r->w, code, (int32_t)lasti);
	return true;
}

struct step {
	uintptr_t back;
	bool is_boundary; /* below it lies C */
	bool is_full;
};

/* One frame of the chain.  False: drop. */
static bool step(struct reader *r, uintptr_t frame, uintptr_t cframe, struct step *step)
{
	const struct lode_python_layout *layout = r->layout;
	uintptr_t at = fetch_frame(r, frame);

	*step = (struct step){0};
	if (!at)
		return false;
	unsigned owner = lode_byte(at, layout->frame_owner);

	step->back = lode_word(at, layout->frame_back);
	if (!is_owner_plausible(r, owner))
		return false;
	if (layout->owner_shim && owner >= layout->owner_shim) {
		lode_frames_entry(r->w, frame);
		step->is_boundary = true;
		return true;
	}
	step->is_boundary = layout->frame_is_entry && lode_byte(at, layout->frame_is_entry);
	if (!push_checked(r, at, &step->is_full))
		return false;
	if (step->is_boundary)
		lode_frames_entry(r->w, cframe);
	return true;
}

/* No chain is longer than this; one that does not end is not a chain. */
#define STEPS_MAX 100000

/* From `frame` to the end of its evaluation loop; *frame becomes what follows it. */
static bool walk_loop(struct reader *r, uintptr_t *frame, uintptr_t cframe, bool *is_full)
{
	struct step next = {.back = *frame};

	for (unsigned i = 0; next.back && i < STEPS_MAX; i++) {
		*frame = next.back;
		if (!step(r, *frame, cframe, &next))
			return false;
		if (next.is_boundary || next.is_full) {
			*frame = next.back;
			*is_full = next.is_full;
			return true;
		}
	}
	return false;
}

struct cframe {
	uintptr_t frame, previous;
};

static bool read_cframe(struct reader *r, uintptr_t p, struct cframe *cframe)
{
	const struct lode_python_layout *layout = r->layout;
	uintptr_t at = p;

	if (p != r->w->state + layout->thread_root_cframe)
		at = p % 8 == 0 ? fetch(r, p, layout->cframe_bytes) : 0;
	if (!at)
		return false;
	cframe->frame = lode_word(at, layout->cframe_frame);
	cframe->previous = lode_word(at, layout->cframe_previous);
	return true;
}

/* Only the root, or the one that a greenlet starts upon it, has no frame. */
static bool is_bottom(const struct reader *r, uintptr_t cframe, const struct cframe *c)
{
	uintptr_t root = r->w->state + r->layout->thread_root_cframe;

	return cframe == root || c->previous == root || !c->previous;
}

static bool walk_cframes(struct reader *r)
{
	uintptr_t cframe = lode_word(r->w->state, r->layout->thread_frame);
	struct cframe now, next;
	bool is_full = false;

	if (!read_cframe(r, cframe, &now))
		return false;
	for (;;) {
		uintptr_t frame = now.frame;

		if (!frame)
			return is_bottom(r, cframe, &now);
		if (!walk_loop(r, &frame, cframe, &is_full))
			return false;
		if (is_full)
			return true;
		if (!now.previous || !read_cframe(r, now.previous, &next) || next.frame != frame)
			return false;
		cframe = now.previous;
		now = next;
	}
}

static bool walk_direct(struct reader *r)
{
	uintptr_t frame = lode_word(r->w->state, r->layout->thread_frame), base = 0;
	bool is_full = false;

	if (r->layout->thread_base_frame)
		base = lode_word(r->w->state, r->layout->thread_base_frame);
	while (frame && frame != base && !is_full)
		if (!walk_loop(r, &frame, 0, &is_full))
			return false;
	return true;
}

void lode_frames_walk_signal(struct lode_python_walk *w)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);
	struct reader r = {
		.layout = &lode_interp.layout,
		.w = w,
		.chunk = lode_word(w->state, lode_interp.layout.thread_chunk),
	};

	/* On an alternate stack nothing says how far down the thread's own stack is mapped. */
	if (here > w->stack_low && here < w->stack_high) {
		r.stack_low = here;
		r.stack_high = w->stack_high;
	}
	if (!(r.layout->chain == LODE_CHAIN_CFRAMES ? walk_cframes(&r) : walk_direct(&r)))
		w->flags = (w->flags & ~(uint32_t)LODE_PYTHON_TRUNCATED) | LODE_PYTHON_DROPPED;
}
