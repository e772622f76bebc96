/* memory=sample: Poisson sampling by bytes, and which live blocks were sampled.
 * An allocation of s bytes is taken with probability 1 - exp(-s / mean); the reader weighs it by the inverse.
 * The distance to the next sample is drawn anew after each, per thread. */
#ifndef LODE_SAMPLE_H
#define LODE_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>

struct lode_thread;

/* Context: constructor. */
bool lode_sample_init(void);

/* True when the allocation is to be recorded; then its address is remembered.  Cost when not: a subtraction. */
bool lode_sample_takes(struct lode_thread *t, const void *p, size_t bytes);

/* True when the block was recorded; forgets it.  Cost when not: one load from a table of counters. */
bool lode_sample_frees(const void *p);

#endif
