/* Memory of the live-block tables.  Contract in live.h. */
#include "live.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "lib/error.h"

#define FIRST_SLOTS 256u
#define HUGE_BYTES (4u << 20)

/* Zeroed; large ones on huge pages, since every look-up of a large table would miss the TLB
 * otherwise. */
static struct lode_live_block *get_slots(size_t n)
{
	size_t bytes = n * sizeof(struct lode_live_block);
	if (bytes < HUGE_BYTES)
		return lode_alloc_zeroed(n, sizeof(struct lode_live_block));
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return lode_alloc_zeroed(n, sizeof(struct lode_live_block)); /* says so and ends */
	(void)madvise(p, bytes, MADV_HUGEPAGE);
	return p;
}

static void free_slots(struct lode_live_block *slots, size_t n)
{
	size_t bytes = n * sizeof(*slots);
	if (bytes < HUGE_BYTES)
		free(slots);
	else
		munmap(slots, bytes);
}

void lode_live_init(struct lode_live *l)
{
	*l = (struct lode_live){.mask = FIRST_SLOTS - 1, .shift = 64 - 8};
	_Static_assert(FIRST_SLOTS == 1u << 8, "shift");
	l->slots = get_slots(FIRST_SLOTS);
}

void lode_live_release(struct lode_live *l)
{
	if (l->slots)
		free_slots(l->slots, l->mask + 1);
	*l = (struct lode_live){0};
}

void lode_live_grow(struct lode_live *l)
{
	struct lode_live old = *l;
	l->mask = 2 * old.mask + 1;
	l->shift = old.shift - 1;
	l->slots = get_slots(l->mask + 1);
	for (size_t i = 0; i <= old.mask; i++) {
		if (!old.slots[i].address)
			continue;
		size_t at = lode_live_home(l, old.slots[i].address);
		while (l->slots[at].address)
			at = (at + 1) & l->mask;
		l->slots[at] = old.slots[i];
	}
	free_slots(old.slots, old.mask + 1);
}
