/* Which allocations and frees a hook has to look at: all of them, none, or a sample.  One threshold for the three modes:
 * the thread's bytes_left is counted down by every allocation, and only below 1 there is something to do.
 *
 * memory=sample is Poisson sampling by bytes: an allocation of s bytes is taken with probability 1 - exp(-s / mean), the
 * reader weighs it by the inverse.  The distance to the next sample is drawn anew after each, per thread. */
#ifndef LODE_SAMPLE_H
#define LODE_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "thread.h"

/* Context: constructor. */
bool lode_sample_init(void);

/* Sets bytes_left anew, by the mode.  Context: the thread. */
void lode_sample_next(struct lode_thread *t);

/* Counts `bytes` down; true when the allocation must be looked at.  Cost: a subtraction.
 * An absurd size, which no allocator grants, counts as a hit and changes nothing. */
static inline bool lode_sample_is_due(struct lode_thread *t, size_t bytes)
{
	int64_t left;
	if (__builtin_expect(bytes > INT64_MAX || __builtin_sub_overflow(t->bytes_left, (int64_t)bytes, &left), 0) ||
	    left <= 0)
		return true;
	t->bytes_left = left;
	return false;
}

/* The sampled live blocks.  remember: false when the table is full, then the sample is not taken. */
bool lode_sample_remember(const void *p);
bool lode_sample_forget(const void *p);

/* How many sampled live blocks hash to each counter: nearly every free is answered by one byte. */
#define LODE_SAMPLE_FILTER_BITS 16u
extern uint8_t *lode_sample_filter;

static inline uint32_t lode_sample_hash(const void *p)
{
	return (uint32_t)(((uintptr_t)p >> 4) * 0x9e3779b97f4a7c15u >> 32);
}

/* False when the block was certainly not recorded. */
static inline bool lode_sample_may_know(const void *p)
{
	return __atomic_load_n(&lode_sample_filter[lode_sample_hash(p) >> (32 - LODE_SAMPLE_FILTER_BITS)],
			       __ATOMIC_RELAXED) != 0;
}

#endif
