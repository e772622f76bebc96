/* One module's unwind rows, made from its .eh_frame (ehframe.c), searched on the signal path (unwind_table.c).
 *
 * A row holds from its address up to the next row's.  Addresses and rules lie in two arrays, so that a search touches
 * only addresses; an index with one entry per KiB of code narrows it to a cache line or two. */
#ifndef LODE_UNWIND_TABLE_H
#define LODE_UNWIND_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lode_unwind;

/* How a frame's CFA follows from its registers. */
enum lode_cfa_rule {
	LODE_CFA_NONE,        /* no information: a gap between functions */
	LODE_CFA_RSP,         /* rsp + offset */
	LODE_CFA_RBP,         /* rbp + offset */
	LODE_CFA_PLT,         /* rsp + 8 + ((pc & 15) >= offset) * 8: how binutils describes its PLT stubs */
	LODE_CFA_AT_RSP,      /* *(rsp + offset / 256) + offset % 256: hand-written code with a realigned stack */
	LODE_CFA_AT_RBP,      /* *(rbp + offset / 256) + offset % 256: compiled code with a realigned stack */
	LODE_CFA_SIGNAL,      /* the kernel's signal frame: the registers lie in the ucontext at rsp */
	LODE_CFA_UNSUPPORTED, /* there is a rule, but it needs other registers than these */
};
#define LODE_CFA_RULE_MASK 0x7fu
#define LODE_CFA_END 0x80u /* added: the outermost frame, its return address is undefined */

/* Where the caller's rbp is. */
enum lode_rbp_rule {
	LODE_RBP_SAME,   /* in rbp */
	LODE_RBP_AT_CFA, /* in memory at cfa + 8 * offset */
	LODE_RBP_AT_RSP,
	LODE_RBP_AT_RBP,
	LODE_RBP_LOST,   /* elsewhere: a later rule that needs it ends the walk */
};

/* The return address is always at cfa - 8; what differs is UNSUPPORTED. */
struct lode_unwind_rule {
	int32_t cfa_offset;
	int16_t rbp_offset; /* in words */
	uint8_t cfa;        /* enum lode_cfa_rule, LODE_CFA_END */
	uint8_t rbp;        /* enum lode_rbp_rule */
};
_Static_assert(sizeof(struct lode_unwind_rule) == 8, "a rule is one word: unwind_table.c caches it as such");

#define LODE_UNWIND_BUCKET_SHIFT 10

/* Heads whatever readers may still hold when it is replaced; modules.c frees it once they have left. */
struct lode_limbo {
	struct lode_limbo *next;
	uint64_t waiting_for; /* groups of readers that may hold it still */
};

/* Immutable once built, but for what modules.c keeps in it.  One allocation: lode_mem_free(table) frees it all. */
struct lode_unwind_table {
	struct lode_limbo limbo;
	uint32_t count;
	uint32_t unsupported;         /* rows that only libunwind could follow */
	uint32_t users;               /* modules.c: how many modules share it; the refreshing thread only */
	uint32_t bucket_count;
	size_t bytes;
	const uint32_t *buckets;      /* [b]: the last row at or before b KiB, 0 if none */
	const uint32_t *locations;    /* offsets from the module's start, rising */
	const struct lode_unwind_rule *rules;
};

/* The rule that holds at `offset` from the module's start.  Context: any thread, any signal. */
struct lode_unwind_rule lode_unwind_table_find(const struct lode_unwind_table *t, uintptr_t offset);

/* Goes on with a walk from these registers, which belong to a frame that is not among u->frames yet.
 * Context: as lode_unwind. */
struct lode_unwind_from {
	uintptr_t pc, sp, bp;
	bool pc_is_exact;
};
void lode_unwind_continue(struct lode_unwind *u, const struct lode_unwind_from *from);

/* True if the frame with this pc can be left by the tables alone.  Context: as lode_unwind. */
bool lode_unwind_is_supported(uintptr_t pc, bool pc_is_exact);

/* Loads libunwind once a walk has asked for it (lode_unwind_slow found it missing).  Context: a refresh, outside the
 * loader's call-back. */
void lode_unwind_slow_load(void);

/* After fork: libunwind stays off if another thread was inside it, since its locks may be held for ever.
 * Context: the child's only thread. */
void lode_unwind_slow_fork_child(void);

#endif
