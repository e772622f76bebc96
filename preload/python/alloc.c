/* Wrappers around Python's allocators.  Contract in alloc.h, order of stamps in event.h.
 *
 * Wrappers may be installed at any time, since a block is always given back to the allocator that
 * it came from (CPython, Doc/c-api/memory.rst: PyMem_SetAllocator).  Installing writes five words
 * which everybody who allocates reads under the GIL; so it is done under the GIL, or before there is
 * an interpreter. */
#include "python/alloc.h"

#include <stdbool.h>
#include <stdint.h>

#include "hook.h"
#include "notice.h"
#include "python/interp.h"
#include "python/walk.h"

/* Include/cpython/pymem.h and objimpl.h: the same in every version. */
enum domain { DOMAIN_RAW, DOMAIN_MEM, DOMAIN_OBJ };

struct allocator { /* PyMemAllocatorEx */
	void *ctx;
	void *(*malloc)(void *ctx, size_t n);
	void *(*calloc)(void *ctx, size_t n, size_t size);
	void *(*realloc)(void *ctx, void *p, size_t n);
	void (*free)(void *ctx, void *p);
};

struct arena_allocator { /* PyObjectArenaAllocator */
	void *ctx;
	void *(*alloc)(void *ctx, size_t n);
	void (*free)(void *ctx, void *p, size_t n);
};

/* The ctx of an installed wrapper: what lies behind it.  Never given back or changed, since others
 * (tracemalloc, debug hooks) keep copies of what they found and may call it at any time. */
struct layer {
	struct allocator next;
	uint32_t how, how_realloc;
	bool is_used;
};

/* One at the start, one above the debug hooks, one above tracemalloc on each of the two; the rest is
 * for tools that are not known yet. */
#define LAYERS 8

static struct layer layers[2][LAYERS];
static struct arena_allocator arena_next;
static bool is_checking;

/* A thread that the agent has given up (its last destructors run) passes: what it frees through us
 * would meet the shared struct's lock twice. */
static inline struct lode_thread *enter(void)
{
	return unlikely(lode_self == LODE_THREAD_RETIRED) ? NULL : lode_hook_enter();
}

/* Larger blocks come from the malloc that all interpreters share (CPython, Objects/obmalloc.c). */
#define LARGEST_POOLED 512

/* A small block goes from thread to thread under its interpreter's GIL only.  Handing that over takes
 * far longer than a time stamp can run ahead of the instructions before it, so the stamp need not wait
 * for them: in a program with threads that halves its cost. */
static inline void acquired(struct lode_thread *t, uint32_t how, void *p, size_t n, void *frame)
{
	if (unlikely(!p || !lode_gate->hooks_memory))
		return;
	uint32_t stack = lode_capture_hook(t, frame);
	uint64_t time = n <= LARGEST_POOLED ? lode_ticks_release() : lode_ticks_acquire();
	lode_event_alloc_at(t, how, p, n, stack, time);
}

static void *wrap_malloc(void *ctx, size_t n)
{
	const struct layer *layer = ctx;
	struct lode_thread *t = enter();

	if (unlikely(!t))
		return layer->next.malloc(layer->next.ctx, n);
	void *p = layer->next.malloc(layer->next.ctx, n);
	acquired(t, layer->how, p, n, LODE_FRAME);
	lode_thread_leave(t, LODE_FRAME);
	return p;
}

static void *wrap_calloc(void *ctx, size_t n, size_t size)
{
	const struct layer *layer = ctx;
	struct lode_thread *t = enter();

	if (unlikely(!t))
		return layer->next.calloc(layer->next.ctx, n, size);
	void *p = layer->next.calloc(layer->next.ctx, n, size);
	acquired(t, layer->how, p, n * size, LODE_FRAME);
	lode_thread_leave(t, LODE_FRAME);
	return p;
}

/* These domains never free in a realloc to 0 bytes: NULL is a failure. */
static void *wrap_realloc(void *ctx, void *before, size_t n)
{
	const struct layer *layer = ctx;
	struct lode_thread *t = enter();

	if (unlikely(!t))
		return layer->next.realloc(layer->next.ctx, before, n);
	uint64_t released = lode_ticks_release();
	void *p = layer->next.realloc(layer->next.ctx, before, n);
	if (likely(p && before && lode_gate->hooks_memory))
		lode_event_free(t, before, released);
	acquired(t, layer->how_realloc, p, n, LODE_FRAME);
	lode_thread_leave(t, LODE_FRAME);
	return p;
}

static void wrap_free(void *ctx, void *p)
{
	const struct layer *layer = ctx;
	struct lode_thread *t;

	if (unlikely(!p || !(t = enter()))) {
		layer->next.free(layer->next.ctx, p);
		return;
	}
	if (likely(lode_gate->hooks_memory))
		lode_event_free(t, p, lode_ticks_release());
	layer->next.free(layer->next.ctx, p);
	lode_thread_leave(t, LODE_FRAME);
}

/* ---- arenas ------------------------------------------------------------------------------- */

/* The thread, whether a wrapper called us or not.  From 3.11 on the chunks of the frames' stack are
 * mapped here too. */
static inline struct lode_thread *enter_arena(bool *is_nested)
{
	struct lode_thread *t = lode_self;

	*is_nested = (uintptr_t)t > 1 && t->busy && lode_gate->is_on;
	return *is_nested ? t : enter();
}

static void *wrap_arena_alloc(void *ctx, size_t n)
{
	bool is_nested;
	struct lode_thread *t = enter_arena(&is_nested);
	void *p = arena_next.alloc(arena_next.ctx, n);

	(void)ctx;
	if (!t)
		return p;
	if (p && lode_gate->hooks_memory)
		lode_event_map(t, LODE_MAP_ARENA, (uintptr_t)p, n, lode_capture_hook(t, LODE_FRAME));
	t->attention |= LODE_ATTENTION_PREPARE;
	if (!is_nested)
		lode_thread_leave(t, LODE_FRAME);
	return p;
}

static void wrap_arena_free(void *ctx, void *p, size_t n)
{
	bool is_nested;
	struct lode_thread *t = enter_arena(&is_nested);

	(void)ctx;
	if (t && lode_gate->hooks_memory)
		lode_event_unmap(t, (uintptr_t)p, n, lode_ticks_release());
	arena_next.free(arena_next.ctx, p, n);
	if (t && !is_nested)
		lode_thread_leave(t, LODE_FRAME);
}

static void check_arenas(const struct lode_interp *interp)
{
	struct arena_allocator now;
	void (*get)(struct arena_allocator *) = (void (*)(struct arena_allocator *))interp->get_arenas;
	void (*set)(struct arena_allocator *) = (void (*)(struct arena_allocator *))interp->set_arenas;

	if (arena_next.alloc || !get || !set)
		return; /* once: nothing in CPython replaces it */
	get(&now);
	if (!now.alloc || !now.free)
		return;
	arena_next = now;
	now = (struct arena_allocator){.alloc = wrap_arena_alloc, .free = wrap_arena_free};
	set(&now);
}

/* ---- installing --------------------------------------------------------------------------- */

static bool is_same(const struct allocator *a, const struct allocator *b)
{
	return a->ctx == b->ctx && a->malloc == b->malloc && a->free == b->free;
}

/* The layer above `now`; NULL: all are in use. */
static struct layer *layer_above(enum domain domain, const struct allocator *now)
{
	for (struct layer *l = layers[domain - DOMAIN_MEM]; l < layers[domain - DOMAIN_MEM] + LAYERS; l++) {
		if (l->is_used && is_same(&l->next, now))
			return l;
		if (l->is_used)
			continue;
		*l = (struct layer){
			.next = *now, .is_used = true,
			.how = domain == DOMAIN_MEM ? LODE_HOW_PYMEM : LODE_HOW_PYOBJECT,
			.how_realloc = domain == DOMAIN_MEM ? LODE_HOW_PYMEM_REALLOC : LODE_HOW_PYOBJECT_REALLOC,
		};
		return l;
	}
	return NULL;
}

static void check_domain(const struct lode_interp *interp, enum domain domain)
{
	struct allocator now;
	void (*get)(int, struct allocator *) = (void (*)(int, struct allocator *))interp->get_allocator;
	void (*set)(int, struct allocator *) = (void (*)(int, struct allocator *))interp->set_allocator;

	get((int)domain, &now);
	if (now.malloc == wrap_malloc)
		return;
	struct layer *layer = layer_above(domain, &now);
	if (!layer) {
		lode_notice(LODE_NOTICE_MISSING,
			    "Python's allocators were replaced more than %d times: "
			    "objects are no longer recorded", LAYERS);
		return;
	}
	now = (struct allocator){.ctx = layer, .malloc = wrap_malloc, .calloc = wrap_calloc,
				 .realloc = wrap_realloc, .free = wrap_free};
	set((int)domain, &now);
}

/* Nobody else may be allocating: no interpreter yet, or this thread has the GIL and there is one GIL.
 * From 3.12 on each interpreter may have its own. */
static bool may_install(const struct lode_interp *interp)
{
	uintptr_t state = lode_python_state();
	uintptr_t head = lode_word(interp->runtime, interp->layout.runtime_interpreters);

	if (!state)
		return !head;
	if (interp->layout.minor >= 12 && head && lode_word(head, interp->layout.interp_next))
		return false;
	return lode_python_holds_gil(state);
}

void lode_python_alloc_check(void)
{
	const struct lode_interp *interp = &lode_interp;

	if (lode_config.memory != LODE_MEMORY_FULL || !lode_interp_is_known() || !interp->get_allocator ||
	    !interp->set_allocator || !may_install(interp))
		return;
	if (__atomic_exchange_n(&is_checking, true, __ATOMIC_ACQUIRE))
		return;
	check_domain(interp, DOMAIN_MEM);
	check_domain(interp, DOMAIN_OBJ);
	check_arenas(interp);
	__atomic_store_n(&is_checking, false, __ATOMIC_RELEASE);
}
