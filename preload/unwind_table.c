/* The table engine: walks a stack by the modules' unwind rows.
 *
 * Called in signal handlers and in hooks: no lock, no system call, no allocation, nothing of libc, at most 300 bytes of
 * stack.  Every load lies in the stack's bounds and no lower than the innermost frame (for an interrupted function: than
 * its red zone); each frame's CFA lies above the one before, so that a walk ends whatever the memory holds. */
#include "unwind_table.h"

#include "modules.h"
#include "unwind.h"

/* The 128 bytes below rsp that a function may use and that signal frames spare (System V ABI, 3.2.2).  A popped rbp's
 * row may still point there. */
#define RED_ZONE_BYTES 128

/* The kernel's signal frame at the handler's return: struct ucontext at rsp (asm/ucontext.h, asm/sigcontext.h):
 * uc_flags, uc_link, uc_stack: 40 bytes, then r8..r15 rdi rsi rbp rbx rdx rax rcx rsp rip. */
enum { UCONTEXT_RBP = 120, UCONTEXT_RSP = 160, UCONTEXT_RIP = 168 };

/* Where the current frame's rbp comes from. */
enum bp_source {
	BP_INITIAL, /* the caller's of the walk, untouched so far */
	BP_SAVED,   /* in memory at bp_at, not read yet */
	BP_READ,    /* in bp, and in a slot if there are slots */
	BP_LOST,
};

struct walk {
	const struct lode_module_set *set;
	uintptr_t pc, sp, bp;
	const uintptr_t *bp_at;
	uint8_t bp_source;
	bool is_exact;
};

/* ---- rules ---- */

struct lode_unwind_rule lode_unwind_table_find(const struct lode_unwind_table *t, uintptr_t offset)
{
	uintptr_t bucket = offset >> LODE_UNWIND_BUCKET_SHIFT;
	uint32_t low, high;

	if (bucket + 1 >= t->bucket_count || offset < t->locations[0])
		return (struct lode_unwind_rule){ .cfa = LODE_CFA_NONE };
	low = t->buckets[bucket];
	high = t->buckets[bucket + 1];
	while (low < high) {
		uint32_t middle = low + (high - low + 1) / 2;

		if (t->locations[middle] <= offset)
			low = middle;
		else
			high = middle - 1;
	}
	return t->rules[low];
}

/* Rules by address, for all threads.  An entry is two words that other threads, and handlers in the midst of a store,
 * may tear: it counts only if both fit together (check ^ rule gives the key back).  The key holds the set's generation,
 * so that dlclose empties the cache. */
#define CACHE_BITS 12

static struct cache_entry {
	uint64_t check, rule;
} rule_cache[1u << CACHE_BITS];

union rule_word {
	struct lode_unwind_rule rule;
	uint64_t word;
};

/* A bijection for one generation: two addresses never share a key. */
static inline uint64_t cache_key(uint32_t generation, uintptr_t pc)
{
	return (pc + generation * UINT64_C(0xd6e8feb86659fd93)) * UINT64_C(0x9e3779b97f4a7c15);
}

static __attribute__((noinline)) bool rule_search(const struct lode_module_set *set, uintptr_t pc, uint64_t key,
						  union rule_word *found)
{
	const struct lode_module *m = lode_module_set_find(set, pc);
	struct cache_entry *e = &rule_cache[key >> (64 - CACHE_BITS)];

	if (!m || !m->table)
		return false;
	found->rule = lode_unwind_table_find(m->table, pc - m->start);
	__atomic_store_n(&e->rule, found->word, __ATOMIC_RELAXED);
	__atomic_store_n(&e->check, key ^ found->word, __ATOMIC_RELAXED);
	return true;
}

/* False: no module with unwind information covers the address. */
static inline bool rule_at(const struct lode_module_set *set, uintptr_t pc, struct lode_unwind_rule *rule)
{
	uint64_t key = cache_key(set->generation, pc);
	const struct cache_entry *e = &rule_cache[key >> (64 - CACHE_BITS)];
	union rule_word found = { .word = __atomic_load_n(&e->rule, __ATOMIC_RELAXED) };

	if ((__atomic_load_n(&e->check, __ATOMIC_RELAXED) ^ found.word) != key && !rule_search(set, pc, key, &found))
		return false;
	*rule = found.rule;
	return true;
}

/* ---- memory ---- */

static inline bool is_in_stack(const struct lode_unwind *u, uintptr_t lowest, uintptr_t address)
{
	return address >= lowest && address >= u->stack_low && address < u->stack_high &&
	       u->stack_high - address >= sizeof(uintptr_t) && !(address & 7);
}

static inline uintptr_t frame_lowest(const struct walk *w)
{
	return w->is_exact && w->sp >= RED_ZONE_BYTES ? w->sp - RED_ZONE_BYTES : w->sp;
}

static inline uintptr_t read_slot(struct lode_unwind *u, uintptr_t address)
{
	const uintptr_t *p = (const uintptr_t *)address;
	uintptr_t value = *p;

	if (u->slots) {
		if (u->slot_count < u->slot_capacity)
			u->slots[u->slot_count++] = (struct lode_slot){ p, value };
		else
			u->flags |= LODE_UNWIND_NOT_REPLAYABLE;
	}
	return value;
}

/* Makes w->bp the frame's rbp; only now does the walk depend on it.  False: not known. */
static inline bool bp_use(struct lode_unwind *u, struct walk *w)
{
	if (w->bp_source == BP_READ)
		return true;
	if (w->bp_source == BP_LOST)
		return false;
	if (w->bp_source == BP_INITIAL)
		u->flags |= LODE_UNWIND_USES_BP;
	else
		w->bp = read_slot(u, (uintptr_t)w->bp_at);
	w->bp_source = BP_READ;
	return true;
}

/* The caller's rbp lies at `address`: noted, read when a rule needs it. */
static inline void bp_set_saved(const struct lode_unwind *u, struct walk *w, uintptr_t address)
{
	w->bp_source = is_in_stack(u, frame_lowest(w), address) ? BP_SAVED : BP_LOST;
	w->bp_at = (const uintptr_t *)address;
}

/* ---- steps ---- */

enum step { STEP_ON, STEP_STOP };

static enum step stop(struct lode_unwind *u, uint32_t flag)
{
	u->flags |= flag;
	return STEP_STOP;
}

/* The CFA by the rule; false: needs what is not known. */
static bool frame_cfa(struct lode_unwind *u, struct walk *w, struct lode_unwind_rule rule, uintptr_t *cfa)
{
	uintptr_t at;

	switch (rule.cfa & LODE_CFA_RULE_MASK) {
	case LODE_CFA_RSP:
		*cfa = w->sp + (uintptr_t)(intptr_t)rule.cfa_offset;
		return true;
	case LODE_CFA_RBP:
		*cfa = w->bp + (uintptr_t)(intptr_t)rule.cfa_offset;
		return true;
	case LODE_CFA_PLT:
		*cfa = w->sp + 8 + ((intptr_t)(w->pc & 15) >= rule.cfa_offset ? 8 : 0);
		return true;
	case LODE_CFA_AT_RSP:
	case LODE_CFA_AT_RBP:
		at = (rule.cfa & LODE_CFA_RULE_MASK) == LODE_CFA_AT_RSP ? w->sp : w->bp;
		at += (uintptr_t)(intptr_t)(rule.cfa_offset >> 8);
		if (!is_in_stack(u, frame_lowest(w), at))
			return false;
		*cfa = read_slot(u, at) + (uintptr_t)(rule.cfa_offset & 255);
		return true;
	default:
		return false;
	}
}

static bool rule_needs_bp(struct lode_unwind_rule rule)
{
	uint8_t cfa = rule.cfa & LODE_CFA_RULE_MASK;

	return cfa == LODE_CFA_RBP || cfa == LODE_CFA_AT_RBP || rule.rbp == LODE_RBP_AT_RBP;
}

/* Leaves the frame for its caller's: rbp first, since its place is relative to the registers of this frame. */
static void frame_leave(struct lode_unwind *u, struct walk *w, struct lode_unwind_rule rule, uintptr_t cfa)
{
	uintptr_t offset = (uintptr_t)(intptr_t)rule.rbp_offset * 8;

	if (rule.rbp == LODE_RBP_AT_CFA)
		bp_set_saved(u, w, cfa + offset);
	else if (rule.rbp == LODE_RBP_AT_RSP)
		bp_set_saved(u, w, w->sp + offset);
	else if (rule.rbp == LODE_RBP_AT_RBP)
		bp_set_saved(u, w, w->bp + offset);
	else if (rule.rbp == LODE_RBP_LOST)
		w->bp_source = BP_LOST;
	w->pc = read_slot(u, cfa - 8);
	w->sp = cfa;
	w->is_exact = false;
}

/* Into the code that a signal interrupted.  Its stack may be another one: then its address is the last that is known. */
static enum step step_signal(struct lode_unwind *u, struct walk *w)
{
	uintptr_t sp;

	if (!is_in_stack(u, w->sp, w->sp + UCONTEXT_RBP) || !is_in_stack(u, w->sp, w->sp + UCONTEXT_RIP))
		return stop(u, LODE_UNWIND_BAD);
	sp = read_slot(u, w->sp + UCONTEXT_RSP);
	w->bp_source = BP_SAVED;
	w->bp_at = (const uintptr_t *)(w->sp + UCONTEXT_RBP);
	w->pc = read_slot(u, w->sp + UCONTEXT_RIP);
	w->is_exact = true;
	u->frames[u->depth - 1].cfa = sp;
	if (sp > w->sp && sp < u->stack_high) {
		w->sp = sp;
		return STEP_ON;
	}
	if (u->depth == u->capacity)
		return stop(u, LODE_UNWIND_TRUNCATED);
	u->frames[u->depth++] = (struct lode_native_frame){ .pc = w->pc };
	return stop(u, LODE_UNWIND_BAD);
}

/* Code without rows: JIT, or assembly without annotations.  A frame pointer is believed if a module that has rows
 * covers the return address beside it. */
static enum step step_frame_pointer(struct lode_unwind *u, struct walk *w)
{
	struct lode_unwind_rule rule;
	uintptr_t pc;

	u->flags |= LODE_UNWIND_NOT_REPLAYABLE;
	if (!bp_use(u, w) || !is_in_stack(u, w->sp, w->bp) || !is_in_stack(u, w->sp, w->bp + 8))
		return stop(u, LODE_UNWIND_NO_TABLE);
	pc = *(const uintptr_t *)(w->bp + 8);
	if (!rule_at(w->set, pc - 1, &rule) || (rule.cfa & LODE_CFA_RULE_MASK) == LODE_CFA_NONE)
		return stop(u, LODE_UNWIND_NO_TABLE);
	u->frames[u->depth - 1].cfa = w->bp + 16;
	frame_leave(u, w, (struct lode_unwind_rule){ .rbp = LODE_RBP_AT_CFA, .rbp_offset = -2 }, w->bp + 16);
	return STEP_ON;
}

static enum step step(struct lode_unwind *u, struct walk *w)
{
	struct lode_unwind_rule rule;
	uintptr_t cfa;

	if (!rule_at(w->set, w->pc - !w->is_exact, &rule) || rule.cfa == LODE_CFA_NONE)
		return step_frame_pointer(u, w);
	if (rule.cfa == LODE_CFA_SIGNAL)
		return step_signal(u, w);
	if (rule.cfa == LODE_CFA_UNSUPPORTED || (rule_needs_bp(rule) && !bp_use(u, w)))
		return stop(u, rule.cfa & LODE_CFA_END ? LODE_UNWIND_END : LODE_UNWIND_UNSUPPORTED);
	if (!frame_cfa(u, w, rule, &cfa))
		return stop(u, rule.cfa & LODE_CFA_END ? LODE_UNWIND_END : LODE_UNWIND_BAD);
	if (rule.cfa & LODE_CFA_END) {
		u->frames[u->depth - 1].cfa = cfa > w->sp && cfa <= u->stack_high ? cfa : 0;
		return stop(u, LODE_UNWIND_END);
	}
	if (cfa <= w->sp || !is_in_stack(u, w->sp, cfa - 8))
		return stop(u, LODE_UNWIND_BAD);
	u->frames[u->depth - 1].cfa = cfa;
	frame_leave(u, w, rule, cfa);
	return w->pc ? STEP_ON : stop(u, LODE_UNWIND_END);
}

/* The plain frames of calls, which are nearly all: the same as step(), with the registers in registers.  Ends, with
 * nothing lost, in front of a frame that it leaves to step(). */
static void step_over_calls(struct lode_unwind *u, struct walk *walk)
{
	struct walk w = *walk;
	const uintptr_t low = u->stack_low, high = u->stack_high;

	while (u->depth < u->capacity) {
		struct lode_unwind_rule rule;
		uintptr_t cfa;

		if (!rule_at(w.set, w.pc - 1, &rule) || rule.rbp > LODE_RBP_AT_CFA)
			break;
		if (rule.cfa == LODE_CFA_RBP) {
			if (w.bp_source == BP_LOST)
				break;
			bp_use(u, &w);
			cfa = w.bp;
		} else if (rule.cfa == LODE_CFA_RSP) {
			cfa = w.sp;
		} else {
			break;
		}
		cfa += (uintptr_t)(intptr_t)rule.cfa_offset;
		if (cfa <= w.sp || cfa - 8 < w.sp || cfa - 8 < low || cfa > high || (cfa & 7))
			break;
		if (rule.rbp == LODE_RBP_AT_CFA)
			bp_set_saved(u, &w, cfa + (uintptr_t)(intptr_t)rule.rbp_offset * 8);
		u->frames[u->depth++] = (struct lode_native_frame){ w.pc, cfa };
		w.pc = read_slot(u, cfa - 8);
		w.sp = cfa;
		if (!w.pc)
			break;
	}
	*walk = w;
}

static void walk_on(struct lode_unwind *u, struct walk *w)
{
	lode_modules_enter();
	w->set = lode_modules_current();
	do {
		if (!w->is_exact)
			step_over_calls(u, w);
		if (!w->pc) {
			u->flags |= LODE_UNWIND_END;
			break;
		}
		if (u->depth == u->capacity) {
			u->flags |= LODE_UNWIND_TRUNCATED;
			break;
		}
		u->frames[u->depth++] = (struct lode_native_frame){ .pc = w->pc };
	} while (step(u, w) == STEP_ON);
	lode_modules_leave();
}

void lode_unwind(struct lode_unwind *u)
{
	struct walk w = { .pc = u->pc, .sp = u->sp, .bp = u->bp, .bp_source = BP_INITIAL, .is_exact = u->pc_is_exact };

	u->depth = 0;
	u->slot_count = 0;
	u->flags = 0;
	walk_on(u, &w);
}

void lode_unwind_continue(struct lode_unwind *u, const struct lode_unwind_from *from)
{
	struct walk w = { .pc = from->pc, .sp = from->sp, .bp = from->bp, .bp_source = BP_READ,
			  .is_exact = from->pc_is_exact };

	walk_on(u, &w);
}

bool lode_unwind_is_supported(uintptr_t pc, bool pc_is_exact)
{
	struct lode_unwind_rule rule;
	bool is_supported;

	lode_modules_enter();
	is_supported = rule_at(lode_modules_current(), pc - !pc_is_exact, &rule) && rule.cfa != LODE_CFA_NONE &&
		       rule.cfa != LODE_CFA_UNSUPPORTED;
	lode_modules_leave();
	return is_supported;
}
