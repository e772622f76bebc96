/* Hooks of the malloc family.  Each is: pass through when off or already inside; the real call; one event.
 * Order of stamps: event.h. */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>

#include "hook.h"

LODE_EXPORT void *malloc(size_t n)
{
	if (lode_hook_passes(n))
		return lode_real.malloc(n);
	struct lode_thread *t = lode_hook_enter();
	void *p = lode_real.malloc(n);
	if (unlikely(!t))
		return p;
	if (likely(p))
		lode_hook_acquired(t, LODE_HOW_MALLOC, p, n, LODE_FRAME);
	lode_thread_leave(t, LODE_FRAME);
	return p;
}

LODE_EXPORT void free(void *p)
{
	struct lode_thread *t;
	if (!p)
		return;
	if (lode_hook_free_passes(p) || unlikely(!(t = lode_hook_enter()))) {
		lode_real.free(p);
		return;
	}
	lode_hook_released(t, p, lode_ticks_release());
	lode_real.free(p);
	lode_thread_leave(t, LODE_FRAME);
}

LODE_EXPORT void *calloc(size_t n, size_t m)
{
	size_t bytes;
	if (!__builtin_mul_overflow(n, m, &bytes) && lode_hook_passes(bytes))
		return lode_real.calloc(n, m);
	struct lode_thread *t = lode_hook_enter();
	void *p = lode_real.calloc(n, m);
	if (unlikely(!t))
		return p;
	if (likely(p))
		lode_hook_acquired(t, LODE_HOW_CALLOC, p, n * m, LODE_FRAME);
	lode_thread_leave(t, LODE_FRAME);
	return p;
}

/* realloc's first half.  A sampled block is forgotten before the real call, which may give its address to another
 * thread. */
struct release {
	void *block;
	uint64_t time;
	bool is_known;
};

static inline struct release release_before(struct lode_thread *t, void *block)
{
	(void)t;
	return (struct release){block, lode_ticks_release(),
				block && (lode_config.memory != LODE_MEMORY_SAMPLE || lode_sample_forget(block))};
}

/* Both halves, once the outcome is known: nothing where it failed.  realloc(p, 0) that frees returns NULL. */
static inline void moved(struct lode_thread *t, uint32_t how, struct release r, void *after, size_t bytes, void *frame)
{
	bool is_released = after || bytes == 0;
	if (r.is_known && !is_released && lode_config.memory == LODE_MEMORY_SAMPLE)
		lode_sample_remember(r.block); /* it is still there */
	else if (r.is_known && is_released && lode_gate->hooks_memory)
		lode_event_free(t, r.block, r.time);
	if (after && lode_sample_is_due(t, bytes))
		lode_hook_acquired(t, how, after, bytes, frame);
}

LODE_EXPORT void *realloc(void *before, size_t n)
{
	struct lode_thread *t = lode_hook_enter();
	if (unlikely(!t))
		return lode_real.realloc(before, n);
	struct release r = release_before(t, before);
	void *p = lode_real.realloc(before, n);
	moved(t, LODE_HOW_REALLOC, r, p, n, LODE_FRAME);
	lode_thread_leave(t, LODE_FRAME);
	return p;
}

LODE_EXPORT void *reallocarray(void *before, size_t n, size_t m)
{
	size_t bytes;
	if (__builtin_mul_overflow(n, m, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	struct lode_thread *t = lode_hook_enter();
	if (unlikely(!t))
		return lode_real.realloc(before, bytes);
	struct release r = release_before(t, before);
	void *p = lode_real.realloc(before, bytes);
	moved(t, LODE_HOW_REALLOCARRAY, r, p, bytes, LODE_FRAME);
	lode_thread_leave(t, LODE_FRAME);
	return p;
}

LODE_EXPORT int posix_memalign(void **out, size_t alignment, size_t n)
{
	lode_real_resolve();
	struct lode_thread *t = lode_hook_enter();
	int r = lode_real.posix_memalign(out, alignment, n);
	if (unlikely(!t))
		return r;
	if (r == 0 && *out && lode_sample_is_due(t, n))
		lode_hook_acquired(t, LODE_HOW_POSIX_MEMALIGN, *out, n, LODE_FRAME);
	lode_thread_leave(t, LODE_FRAME);
	return r;
}

/* aligned_alloc, memalign, valloc, pvalloc differ by name and arguments only. */
#define ALIGNED_HOOK(name, how, parameters, arguments, bytes)                       \
	LODE_EXPORT void *name parameters                                           \
	{                                                                           \
		lode_real_resolve();                                                \
		struct lode_thread *t = lode_hook_enter();                          \
		void *p = lode_real.name arguments;                                 \
		if (unlikely(!t))                                                   \
			return p;                                                   \
		if (likely(p) && lode_sample_is_due(t, bytes))                      \
			lode_hook_acquired(t, LODE_HOW_##how, p, bytes, LODE_FRAME); \
		lode_thread_leave(t, LODE_FRAME);                                   \
		return p;                                                           \
	}

void *mallocx(size_t n, int flags);
ALIGNED_HOOK(aligned_alloc, ALIGNED_ALLOC, (size_t alignment, size_t n), (alignment, n), n)
ALIGNED_HOOK(memalign, MEMALIGN, (size_t alignment, size_t n), (alignment, n), n)
ALIGNED_HOOK(valloc, VALLOC, (size_t n), (n), n)
ALIGNED_HOOK(pvalloc, PVALLOC, (size_t n), (n), n)

/* Functions that release a block under another name.  Where no library has them, free does. */
#define FREE_HOOK(name, parameters, p, call_real)                      \
	LODE_EXPORT void name parameters                               \
	{                                                              \
		struct lode_thread *t;                                 \
		lode_real_resolve();                                   \
		if (!p)                                                \
			return;                                        \
		if (unlikely(!(t = lode_hook_enter()))) {              \
			call_real;                                     \
			return;                                        \
		}                                                      \
		lode_hook_released(t, p, lode_ticks_release());        \
		call_real;                                             \
		lode_thread_leave(t, LODE_FRAME);                      \
	}

void cfree(void *p);
void free_sized(void *p, size_t n);
void free_aligned_sized(void *p, size_t alignment, size_t n);
void dallocx(void *p, int flags);
void sdallocx(void *p, size_t n, int flags);
FREE_HOOK(cfree, (void *p), p, lode_real.cfree ? lode_real.cfree(p) : lode_real.free(p))
FREE_HOOK(free_sized, (void *p, size_t n), p, lode_real.free_sized ? lode_real.free_sized(p, n) : lode_real.free(p))
FREE_HOOK(free_aligned_sized, (void *p, size_t alignment, size_t n), p,
	  lode_real.free_aligned_sized ? lode_real.free_aligned_sized(p, alignment, n) : lode_real.free(p))

/* ---- jemalloc's own names, for programs linked with it ---------------------------------------
 * A program may also only look whether they exist: where no jemalloc is behind us they do what jemalloc would, by the
 * functions that there are.  Flags: the low six bits are the alignment's logarithm, 0x40 asks for zeros (jemalloc(3)). */

static void *plain_mallocx(size_t n, int flags)
{
	size_t alignment = (size_t)1 << (flags & 63);
	void *p = alignment > 16 ? lode_real.memalign(alignment, n) : lode_real.malloc(n);
	for (size_t i = 0; p && (flags & 0x40) && i < n; i++)
		((volatile char *)p)[i] = 0;
	return p;
}

static void *real_mallocx(size_t n, int flags)
{
	return lode_real.mallocx ? lode_real.mallocx(n, flags) : plain_mallocx(n, flags);
}

static void *real_rallocx(void *p, size_t n, int flags)
{
	return lode_real.rallocx ? lode_real.rallocx(p, n, flags) : lode_real.realloc(p, n);
}

static size_t real_xallocx(void *p, size_t n, size_t extra, int flags)
{
	return lode_real.xallocx ? lode_real.xallocx(p, n, extra, flags) : lode_real.malloc_usable_size(p);
}

FREE_HOOK(dallocx, (void *p, int flags), p, lode_real.dallocx ? lode_real.dallocx(p, flags) : lode_real.free(p))
FREE_HOOK(sdallocx, (void *p, size_t n, int flags), p,
	  lode_real.sdallocx ? lode_real.sdallocx(p, n, flags) : lode_real.free(p))

LODE_EXPORT void *mallocx(size_t n, int flags)
{
	lode_real_resolve();
	struct lode_thread *t = lode_hook_enter();
	void *p = real_mallocx(n, flags);
	if (unlikely(!t))
		return p;
	if (likely(p) && lode_sample_is_due(t, n))
		lode_hook_acquired(t, LODE_HOW_MALLOCX, p, n, LODE_FRAME);
	lode_thread_leave(t, LODE_FRAME);
	return p;
}

void *rallocx(void *before, size_t n, int flags);
LODE_EXPORT void *rallocx(void *before, size_t n, int flags)
{
	lode_real_resolve();
	struct lode_thread *t = lode_hook_enter();
	if (unlikely(!t))
		return real_rallocx(before, n, flags);
	struct release r = release_before(t, before);
	void *p = real_rallocx(before, n, flags);
	moved(t, LODE_HOW_RALLOCX, r, p, n, LODE_FRAME);
	lode_thread_leave(t, LODE_FRAME);
	return p;
}

/* Resizes in place: the block's new size is what it returns. */
size_t xallocx(void *p, size_t n, size_t extra, int flags);
LODE_EXPORT size_t xallocx(void *p, size_t n, size_t extra, int flags)
{
	lode_real_resolve();
	struct lode_thread *t = lode_hook_enter();
	if (unlikely(!t))
		return real_xallocx(p, n, extra, flags);
	struct release r = release_before(t, p);
	size_t got = real_xallocx(p, n, extra, flags);
	moved(t, LODE_HOW_RALLOCX, r, got >= n ? p : NULL, n, LODE_FRAME);
	lode_thread_leave(t, LODE_FRAME);
	return got;
}

LODE_EXPORT size_t malloc_usable_size(void *p)
{
	lode_real_resolve();
	return lode_real_is_boot_block(p) ? ((size_t *)p)[-2] : lode_real.malloc_usable_size(p);
}
