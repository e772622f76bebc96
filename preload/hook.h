/* What every hook is made of.  A hook: enter (or pass through), real call, event, leave; errno is the real call's.
 * Allocation functions use these few lines and nothing else. */
#ifndef LODE_HOOK_H
#define LODE_HOOK_H

#include "capture.h"
#include "clock.h"
#include "event.h"
#include "real.h"
#include "sample.h"
#include "thread.h"

/* The hook's own frame: the caller's bp and return address (built with frame pointers). */
#define LODE_FRAME __builtin_frame_address(0)

static inline struct lode_thread *lode_hook_enter(void)
{
	return lode_thread_enter();
}

/* True when an allocation of n bytes is none of our business: counted down, that is all. */
static inline bool lode_hook_passes(size_t n)
{
	struct lode_thread *t = lode_self;
	return (uintptr_t)t > 1 && !lode_sample_is_due(t, n);
}

/* The same for a free.  With every event wanted there is nothing to look up. */
static inline bool lode_hook_free_passes(const void *p)
{
	return lode_config.memory != LODE_MEMORY_FULL && lode_config.memory != LODE_MEMORY_MALLOC &&
	       (uintptr_t)lode_self > 1 && !lode_sample_may_know(p);
}

/* An allocation happened that is due. */
static inline void lode_hook_acquired(struct lode_thread *t, uint32_t how, void *p, size_t bytes, void *frame)
{
	lode_sample_next(t);
	if (unlikely(!lode_gate->hooks_memory))
		return;
	if (unlikely(lode_config.memory == LODE_MEMORY_SAMPLE) && !lode_sample_remember(p)) {
		lode_event_lost();
		return;
	}
	lode_event_alloc(t, how, p, bytes, lode_capture_hook(t, frame));
}

/* A block is about to be released; `time` from before the real call. */
static inline void lode_hook_released(struct lode_thread *t, void *p, uint64_t time)
{
	if (unlikely(!lode_gate->hooks_memory))
		return;
	if (unlikely(lode_config.memory == LODE_MEMORY_SAMPLE) && !lode_sample_forget(p))
		return;
	lode_event_free(t, p, time);
}

#endif
