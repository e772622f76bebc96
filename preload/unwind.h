/* Native stacks: one walk interface, two engines behind it.
 *
 * The table engine (unwind_table.c) is the only one on the signal path: no lock, no system call, no allocation, every
 * load bounds-checked against the stack, at most 300 bytes of stack.  libunwind (unwind_libunwind.c, loaded RTLD_LOCAL)
 * serves outside signals where a rule does not fit a row, and is the oracle of the tests. */
#ifndef LODE_UNWIND_H
#define LODE_UNWIND_H

#include <stdbool.h>
#include <stdint.h>

struct lode_native_frame {
	uintptr_t pc;  /* frame 0: as given; others: return address */
	uintptr_t cfa; /* the stack pointer in the caller before the call: the frame's upper end */
};

/* A word of memory that the walk depended on: if every slot, in order, still holds its value, the walk would end the
 * same.  Each slot's address is valid to read provided that all slots before it matched. */
struct lode_slot {
	const uintptr_t *address;
	uintptr_t value;
};

enum lode_unwind_flags {
	LODE_UNWIND_END = 1,          /* reached the outermost frame */
	LODE_UNWIND_TRUNCATED = 2,    /* capacity reached */
	LODE_UNWIND_UNSUPPORTED = 4,  /* stopped at a rule that a row cannot hold */
	LODE_UNWIND_NO_TABLE = 8,     /* stopped at code that no module covers (JIT): nothing wrong */
	LODE_UNWIND_BAD = 16,         /* stopped at an address outside the stack */
	LODE_UNWIND_USES_BP = 32,     /* the result depends on the initial bp: compare it too */
	LODE_UNWIND_NOT_REPLAYABLE = 64, /* slots overflowed, or a rule needs more than pc, sp, bp */
};

struct lode_unwind {
	/* in */
	uintptr_t pc, sp, bp;          /* registers in frame 0 */
	bool pc_is_exact;              /* frame 0 was interrupted at pc (signal); else pc is a return address */
	uintptr_t stack_low, stack_high; /* every load lies in [low, high) and at or above sp */
	struct lode_native_frame *frames;
	uint32_t capacity;
	struct lode_slot *slots;       /* NULL: not wanted */
	uint32_t slot_capacity;
	/* out */
	uint32_t depth;
	uint32_t slot_count;
	uint32_t flags;
};

/* Context: any thread, any signal. */
void lode_unwind(struct lode_unwind *u);

/* Continues a walk that stopped with UNSUPPORTED by libunwind, if it is there; else leaves u as it is.
 * Context: any thread outside signals. */
void lode_unwind_slow(struct lode_unwind *u);

#endif
