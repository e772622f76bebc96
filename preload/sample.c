/* Sampled memory.  Contract in sample.h.  The sampled live blocks are a fixed open-addressing set with tombstones. */
#include "sample.h"

#include <stdint.h>

#include "os.h"
#include "thread.h"

#define FILTER_BITS LODE_SAMPLE_FILTER_BITS
#define ALWAYS (INT64_MIN / 2)
#define NEVER INT64_MAX
#define SET_BITS 20u
#define TOMBSTONE UINTPTR_MAX
#define PROBES 64u

uint8_t *lode_sample_filter; /* a counter that reaches 255 sticks */
static uintptr_t *blocks;

bool lode_sample_init(void)
{
	lode_sample_filter = lode_os_map(1u << FILTER_BITS);
	blocks = lode_os_map(((size_t)1 << SET_BITS) * sizeof *blocks);
	return lode_sample_filter && blocks;
}

bool lode_sample_remember(const void *p)
{
	uint32_t h = lode_sample_hash(p);
	for (uint32_t i = 0; i < PROBES; i++) {
		uintptr_t *slot = &blocks[(h + i) & ((1u << SET_BITS) - 1)];
		uintptr_t was = __atomic_load_n(slot, __ATOMIC_RELAXED);
		if ((was == 0 || was == TOMBSTONE) &&
		    __atomic_compare_exchange_n(slot, &was, (uintptr_t)p, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
			uint8_t *f = &lode_sample_filter[h >> (32 - FILTER_BITS)];
			uint8_t n = __atomic_load_n(f, __ATOMIC_RELAXED);
			while (n != 255 && !__atomic_compare_exchange_n(f, &n, (uint8_t)(n + 1), true, __ATOMIC_RELEASE,
									__ATOMIC_RELAXED))
				;
			return true;
		}
	}
	return false;
}

/* -mean * ln(u) for u uniform in (0, 1], without libm: ln(u) = log2(u) * ln 2, the fraction's log2 by a cubic
 * (error below 1e-3). */
static int64_t next_distance(struct lode_thread *t)
{
	t->random ^= t->random << 13;
	t->random ^= t->random >> 7;
	t->random ^= t->random << 17;
	uint64_t u = t->random | 1;
	int zeros = __builtin_clzll(u);
	double m = (double)(u << zeros >> 11) / (double)(UINT64_C(1) << 52) - 1.0; /* [0, 1) */
	double log2_m = m * (1.4249 + m * (-0.5812 + m * 0.1563));
	double minus_log2_u = (double)(zeros + 1) - log2_m;
	double d = minus_log2_u * 0.6931471805599453 * (double)lode_config.sample;
	return d < 1 ? 1 : (int64_t)d;
}

void lode_sample_next(struct lode_thread *t)
{
	switch ((enum lode_memory)lode_config.memory) {
	case LODE_MEMORY_OFF: t->bytes_left = NEVER; return;
	case LODE_MEMORY_FULL:
	case LODE_MEMORY_MALLOC: t->bytes_left = ALWAYS; return;
	case LODE_MEMORY_SAMPLE: t->bytes_left = next_distance(t); return;
	}
}

bool lode_sample_forget(const void *p)
{
	uint32_t h = lode_sample_hash(p);
	uint8_t *f = &lode_sample_filter[h >> (32 - FILTER_BITS)];
	if (likely(!__atomic_load_n(f, __ATOMIC_RELAXED)))
		return false;
	for (uint32_t i = 0; i < PROBES; i++) {
		uintptr_t *slot = &blocks[(h + i) & ((1u << SET_BITS) - 1)];
		uintptr_t was = __atomic_load_n(slot, __ATOMIC_ACQUIRE);
		if (was == 0)
			return false;
		if (was != (uintptr_t)p)
			continue;
		__atomic_store_n(slot, TOMBSTONE, __ATOMIC_RELAXED);
		if (__atomic_load_n(f, __ATOMIC_RELAXED) != 255)
			__atomic_fetch_sub(f, 1, __ATOMIC_RELAXED);
		return true;
	}
	return false;
}
