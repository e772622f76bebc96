/* The second engine: libunwind, for frames whose rules need registers that rows do not hold (assembly that keeps its old
 * stack pointer in rbx, a vfork in progress).  The only file that knows libunwind.
 *
 * It is loaded when a walk first asks for it, RTLD_LOCAL: as a needed library it would take over the program's C++
 * exceptions, since it exports _Unwind_*.  It takes locks and masks signals, so it serves hooks only. */
#include "modules.h"
#include "unwind.h"
#include "unwind_table.h"

#define UNW_LOCAL_ONLY
#include <dlfcn.h>
#include <libunwind.h>

#define NAME_OF(x) NAME_OF_EXPANDED(x) /* the header's macros give each function its linker name */
#define NAME_OF_EXPANDED(x) #x

#define ROUNDS 8     /* unsupported stretches in one stack */
#define OWN_FRAMES 32 /* between here and the walk's first frame */

static struct {
	int (*getcontext)(unw_context_t *);
	int (*init_local)(unw_cursor_t *, unw_context_t *);
	int (*step)(unw_cursor_t *);
	int (*get_reg)(unw_cursor_t *, unw_regnum_t, unw_word_t *);
} libunwind; /* written before state says LOADED */

static enum { NOT_WANTED, WANTED, LOADED, ABSENT } state; /* atomic */
static uint32_t walks_inside;                             /* atomic */

void lode_unwind_slow_load(void)
{
	void *handle;

	if (__atomic_load_n(&state, __ATOMIC_ACQUIRE) != WANTED)
		return;
	handle = dlopen("libunwind.so.8", RTLD_LOCAL | RTLD_LAZY);
	if (handle) {
		*(void **)&libunwind.getcontext = dlsym(handle, NAME_OF(unw_tdep_getcontext));
		*(void **)&libunwind.init_local = dlsym(handle, NAME_OF(unw_init_local));
		*(void **)&libunwind.step = dlsym(handle, NAME_OF(unw_step));
		*(void **)&libunwind.get_reg = dlsym(handle, NAME_OF(unw_get_reg));
	}
	__atomic_store_n(&state, libunwind.getcontext && libunwind.init_local && libunwind.step && libunwind.get_reg
				  ? LOADED : ABSENT, __ATOMIC_RELEASE);
}

void lode_unwind_slow_fork_child(void)
{
	if (__atomic_load_n(&walks_inside, __ATOMIC_RELAXED))
		__atomic_store_n(&state, ABSENT, __ATOMIC_RELAXED);
	__atomic_store_n(&walks_inside, 0, __ATOMIC_RELAXED);
}

struct registers {
	unw_word_t pc, sp, bp;
};

static bool read_registers(unw_cursor_t *cursor, struct registers *r)
{
	return libunwind.get_reg(cursor, UNW_REG_IP, &r->pc) == 0 && libunwind.get_reg(cursor, UNW_REG_SP, &r->sp) == 0 &&
	       libunwind.get_reg(cursor, UNW_X86_64_RBP, &r->bp) == 0;
}

/* Brings the cursor to the frame where the walk stopped: callee-saved registers are right only when they come all the
 * way from here. */
static bool find_last_frame(const struct lode_unwind *u, unw_cursor_t *cursor, struct registers *r)
{
	uintptr_t pc = u->frames[u->depth - 1].pc;
	uintptr_t sp = u->depth > 1 ? u->frames[u->depth - 2].cfa : u->sp;

	for (uint32_t steps = u->depth + OWN_FRAMES; steps > 0; steps--) {
		if (!read_registers(cursor, r) || r->sp > sp)
			return false;
		if (r->sp == sp && r->pc == pc)
			return true;
		if (libunwind.step(cursor) <= 0)
			return false;
	}
	return false;
}

/* One frame at a time until the tables can go on; false: libunwind cannot either. */
static bool step_to_supported(struct lode_unwind *u, unw_cursor_t *cursor, struct registers *r)
{
	for (;;) {
		uintptr_t before = r->sp;
		int more = libunwind.step(cursor);

		if (more < 0 || (more > 0 && (!read_registers(cursor, r) || r->sp <= before || r->sp > u->stack_high)))
			return false;
		u->flags = (u->flags & ~(uint32_t)LODE_UNWIND_UNSUPPORTED) | LODE_UNWIND_NOT_REPLAYABLE;
		if (more == 0 || !r->pc) {
			u->flags |= LODE_UNWIND_END;
			return true;
		}
		u->frames[u->depth - 1].cfa = r->sp;
		if (lode_unwind_is_supported(r->pc, false)) {
			lode_unwind_continue(u, &(struct lode_unwind_from){ r->pc, r->sp, r->bp, false });
			return true;
		}
		if (u->depth == u->capacity) {
			u->flags |= LODE_UNWIND_TRUNCATED;
			return true;
		}
		u->frames[u->depth++] = (struct lode_native_frame){ .pc = r->pc };
		u->flags |= LODE_UNWIND_UNSUPPORTED;
	}
}

static __attribute__((noinline)) void go_on(struct lode_unwind *u)
{
	unw_context_t context;
	unw_cursor_t cursor;
	struct registers r;

	libunwind.getcontext(&context);
	if (libunwind.init_local(&cursor, &context) < 0)
		return;
	for (int round = 0; round < ROUNDS && (u->flags & LODE_UNWIND_UNSUPPORTED); round++) {
		if (!find_last_frame(u, &cursor, &r) || !step_to_supported(u, &cursor, &r))
			return;
	}
}

void lode_unwind_slow(struct lode_unwind *u)
{
	if (!(u->flags & LODE_UNWIND_UNSUPPORTED) || !u->depth)
		return;
	if (__atomic_load_n(&state, __ATOMIC_ACQUIRE) == LOADED) {
		__atomic_fetch_add(&walks_inside, 1, __ATOMIC_RELAXED);
		go_on(u);
		__atomic_fetch_sub(&walks_inside, 1, __ATOMIC_RELAXED);
	} else if (__atomic_load_n(&state, __ATOMIC_RELAXED) == NOT_WANTED) {
		__atomic_store_n(&state, WANTED, __ATOMIC_RELAXED);
		lode_modules_want_refresh();
	}
}
