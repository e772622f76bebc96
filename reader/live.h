/* The blocks of one process that are live: address -> size, birth, stack.  Open addressing with
 * linear probing and backward-shift deletion, at most half full, 32 bytes a slot; address 0 is an
 * empty slot. Inline: this is the replay's inner loop. */
#ifndef LODE_LIVE_H
#define LODE_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lode_live_block {
	uint64_t address, size;
	uint64_t birth; /* the replay's time */
	uint32_t stack; /* index of the replay's stack */
	uint32_t reserved;
};

struct lode_live { /* all zero is empty, but lode_live_init must come first */
	struct lode_live_block *slots;
	size_t mask;
	unsigned shift;
	size_t count;
};

void lode_live_init(struct lode_live *l);
void lode_live_release(struct lode_live *l);
void lode_live_grow(struct lode_live *l);

static inline size_t lode_live_home(const struct lode_live *l, uint64_t address)
{
	return (size_t)(address * UINT64_C(0x9e3779b97f4a7c15) >> l->shift);
}

static inline void lode_live_prefetch(const struct lode_live *l, uint64_t address)
{
	__builtin_prefetch(&l->slots[lode_live_home(l, address)], 1, 3);
}

/* The slot of `address` (not 0): *is_new tells whether it was made; then only its address is set.
 */
static inline struct lode_live_block *lode_live_put(struct lode_live *l, uint64_t address,
						    bool *is_new)
{
	if (__builtin_expect(2 * l->count > l->mask, 0))
		lode_live_grow(l);
	size_t at = lode_live_home(l, address);
	while (l->slots[at].address && l->slots[at].address != address)
		at = (at + 1) & l->mask;
	struct lode_live_block *b = &l->slots[at];
	*is_new = !b->address;
	l->count += *is_new;
	b->address = address;
	return b;
}

/* Takes the block at `address` (not 0) out.  False: there is none. */
static inline bool lode_live_take(struct lode_live *l, uint64_t address,
				  struct lode_live_block *out)
{
	size_t hole = lode_live_home(l, address);
	while (l->slots[hole].address != address) {
		if (!l->slots[hole].address)
			return false;
		hole = (hole + 1) & l->mask;
	}
	*out = l->slots[hole];
	for (size_t at = (hole + 1) & l->mask; l->slots[at].address; at = (at + 1) & l->mask) {
		size_t home = lode_live_home(l, l->slots[at].address);
		if (((at - home) & l->mask) < ((at - hole) & l->mask))
			continue;
		l->slots[hole] = l->slots[at];
		hole = at;
	}
	l->slots[hole].address = 0;
	l->count--;
	return true;
}

#endif
