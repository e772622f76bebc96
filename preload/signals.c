/* SIGPROF kept for the program: disposition, masks, waiting.  Contract in signals.h; the hooks are in hook_signal.c. */
#include "signals.h"

#include <errno.h>
#include <stddef.h>
#include <ucontext.h>

#include "notice.h"
#include "os.h"
#include "prof.h"
#include "signals_state.h"
#include "thread.h"

#define PROF_BIT (UINT64_C(1) << (SIGPROF - 1))
#define WAITERS_MAX 64u

/* The program's action: two slots and an index, so that a handler never reads a half-written one. */
static struct lode_os_sigaction actions[2];
static uint32_t current;

static struct lode_os_sigaction handler_before_exec;

/* A SIGPROF sent to the process while nobody would take it: waits here for the first thread that does. */
static siginfo_t process_pending;
static uint32_t has_process_pending; /* 0: no, 1: being written, 2: yes */

/* The program reads SIGPROF from this descriptor; -1: it does not. */
static int descriptor = -1;

/* Threads inside sigwait and its kind with SIGPROF in their set. */
static int waiters[WAITERS_MAX];

static const struct lode_os_sigaction *action(void)
{
	return &actions[__atomic_load_n(&current, __ATOMIC_ACQUIRE)];
}

static void set_action(const struct lode_os_sigaction *a)
{
	uint32_t other = 1 - __atomic_load_n(&current, __ATOMIC_RELAXED);
	actions[other] = *a;
	__atomic_store_n(&current, other, __ATOMIC_RELEASE);
}

static bool is_function(const struct lode_os_sigaction *a)
{
	return (uintptr_t)a->handler > 1;
}

void lode_signals_adopt(const struct lode_os_sigaction *before)
{
	set_action(before);
}

void lode_signals_get(struct lode_os_sigaction *a)
{
	*a = *action();
}

/* A blocking call that the program wants interrupted by its own handler must not be restarted. */
static void follow_restart(const struct lode_os_sigaction *a)
{
	struct lode_os_sigaction ours;
	if (lode_os_sigaction(SIGPROF, NULL, &ours) < 0)
		return;
	unsigned long wanted = is_function(a) && !(a->flags & SA_RESTART) ? ours.flags & ~(unsigned long)SA_RESTART
									   : ours.flags | SA_RESTART;
	if (wanted == ours.flags)
		return;
	ours.flags = wanted;
	lode_os_sigaction(SIGPROF, &ours, NULL);
}

void lode_signals_set(const struct lode_os_sigaction *a)
{
	set_action(a);
	follow_restart(a);
}

/* ---- delivery ------------------------------------------------------------------------------- */

static void die_by_default(siginfo_t *info)
{
	struct lode_os_sigaction a = *action();
	lode_os_sigaction(SIGPROF, &a, NULL); /* SIG_DFL */
	lode_os_sigqueue_self(SIGPROF, info); /* taken when our handler's mask is lifted */
}

static void call_program(const struct lode_os_sigaction *a, int sig, siginfo_t *info, ucontext_t *context)
{
	uint64_t mask = a->mask | (a->flags & SA_NODEFER ? 0 : PROF_BIT);
	for (unsigned i = 0; i < 64; i++)
		if (sigismember(&context->uc_sigmask, (int)i + 1) == 1)
			mask |= UINT64_C(1) << i;
	if (a->flags & SA_RESETHAND) {
		struct lode_os_sigaction reset = *a;
		reset.handler = NULL; /* SIG_DFL */
		lode_signals_set(&reset);
	}
	lode_os_sigmask(SIG_SETMASK, &mask, NULL);
	a->handler(sig, info, context);
}

static bool has_waiter(void)
{
	for (unsigned i = 0; i < WAITERS_MAX; i++)
		if (__atomic_load_n(&waiters[i], __ATOMIC_SEQ_CST))
			return true;
	return false;
}

static bool hand_to_waiter(siginfo_t *info)
{
	for (unsigned i = 0; i < WAITERS_MAX; i++) {
		int tid = __atomic_load_n(&waiters[i], __ATOMIC_ACQUIRE);
		if (tid && lode_os_sigqueue_as_queued(tid, SIGPROF, info) == 0)
			return true;
	}
	return false;
}

static void copy_bytes(void *to, const void *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)to)[i] = ((const uint8_t *)from)[i];
}

/* A standard signal does not queue: the first one stays.  tgkill aims at a thread, all others at the process. */
static void keep_pending(struct lode_thread *t, const siginfo_t *info)
{
	uint32_t no = 0;
	if (info->si_code == SI_TKILL) {
		if (!t->has_pending_prof)
			copy_bytes(t->pending_prof, info, sizeof *info);
		t->has_pending_prof = true;
	} else if (__atomic_compare_exchange_n(&has_process_pending, &no, 1, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
		copy_bytes(&process_pending, info, sizeof *info);
		__atomic_store_n(&has_process_pending, 2, __ATOMIC_RELEASE);
	}
}

/* A descriptor cannot be woken by us: sampling ends here and the kernel takes over.  Each thread that believes that it
 * blocks the signal blocks it from now on, and passes it on until nobody of them is left. */
static void leave_to_kernel(siginfo_t *info, ucontext_t *context)
{
	uint64_t wanted[2];
	lode_prof_end();
	if (lode_os_descriptor_mask(descriptor, wanted) == 0)
		lode_os_signalfd(descriptor, wanted[0] | PROF_BIT);
	sigaddset(&context->uc_sigmask, SIGPROF);
	lode_os_sigqueue_as_queued(0, SIGPROF, info);
}

static bool take_process_pending(siginfo_t *info)
{
	uint32_t yes = 2;
	if (!__atomic_compare_exchange_n(&has_process_pending, &yes, 1, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		return false;
	copy_bytes(info, &process_pending, sizeof *info);
	__atomic_store_n(&has_process_pending, 0, __ATOMIC_SEQ_CST);
	return true;
}

static void deliver_pending(struct lode_thread *t)
{
	siginfo_t info;
	if (t->has_pending_prof) {
		t->has_pending_prof = false;
		lode_os_sigqueue_self(SIGPROF, t->pending_prof);
	}
	if (take_process_pending(&info))
		lode_os_sigqueue_as_queued(lode_os_tid(), SIGPROF, &info);
}

void lode_signals_deliver(int sig, siginfo_t *info, void *context)
{
	struct lode_thread *t = lode_self;
	siginfo_t late;
	if ((uintptr_t)t > 1 && t->blocks_prof) {
		if (descriptor >= 0)
			leave_to_kernel(info, context);
		else if (!hand_to_waiter(info))
			keep_pending(t, info);
		/* somebody may have begun to wait since: waiters look at what is pending after they are listed */
		if (has_waiter() && take_process_pending(&late))
			hand_to_waiter(&late);
		return;
	}
	struct lode_os_sigaction a = *action();
	if ((uintptr_t)a.handler == (uintptr_t)SIG_IGN)
		return;
	if ((uintptr_t)a.handler == (uintptr_t)SIG_DFL)
		die_by_default(info);
	else
		call_program(&a, sig, info, context);
}

bool lode_signals_is_pending(void)
{
	struct lode_thread *t = lode_self;
	return ((uintptr_t)t > 1 && t->has_pending_prof) || __atomic_load_n(&has_process_pending, __ATOMIC_ACQUIRE);
}

/* ---- masks ---------------------------------------------------------------------------------- */

void lode_signals_begin_thread(struct lode_thread *t, bool creator_blocks)
{
	uint64_t prof = PROF_BIT, before = 0;
	lode_os_sigmask(SIG_UNBLOCK, &prof, &before);
	t->blocks_prof = creator_blocks || (before & PROF_BIT);
}

bool lode_signals_blocked(void)
{
	struct lode_thread *t = lode_self;
	return (uintptr_t)t > 1 && t->blocks_prof;
}

void lode_signals_believe(bool is_blocked)
{
	struct lode_thread *t = lode_self;
	if ((uintptr_t)t <= 1)
		return;
	uint64_t prof = PROF_BIT;
	t->blocks_prof = is_blocked;
	lode_os_sigmask(SIG_UNBLOCK, &prof, NULL); /* believe_inside may have closed it */
	if (!is_blocked)
		deliver_pending(t);
}

void lode_signals_believe_inside(bool is_blocked)
{
	struct lode_thread *t = lode_self;
	uint64_t prof = PROF_BIT;
	if ((uintptr_t)t <= 1)
		return;
	if (!is_blocked && t->blocks_prof) {
		lode_os_sigmask(SIG_BLOCK, &prof, NULL); /* until the call's own mask opens it */
		deliver_pending(t);
	}
	t->blocks_prof = is_blocked;
}

void lode_signals_wait_begin(unsigned *at)
{
	uint64_t prof = PROF_BIT;
	lode_os_sigmask(SIG_BLOCK, &prof, NULL); /* as the program believes it is */
	int tid = lode_os_tid();
	for (*at = 0; *at < WAITERS_MAX; ++*at) {
		int zero = 0;
		if (__atomic_compare_exchange_n(&waiters[*at], &zero, tid, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
			break;
	}
	struct lode_thread *t = lode_self;
	if ((uintptr_t)t > 1)
		deliver_pending(t);
}

void lode_signals_wait_end(unsigned at)
{
	uint64_t prof = PROF_BIT;
	if (at < WAITERS_MAX)
		__atomic_store_n(&waiters[at], 0, __ATOMIC_RELEASE);
	lode_os_sigmask(SIG_UNBLOCK, &prof, NULL);
}

void lode_signals_note_descriptor(int fd)
{
	descriptor = fd;
}

/* ---- exec ----------------------------------------------------------------------------------- */

void lode_signals_before_exec(struct lode_thread *t)
{
	struct lode_os_sigaction a = *action();
	uint64_t prof = PROF_BIT;
	/* timers of ours and their pending signals end at exec by themselves; what is inherited is an ignored signal and
	 * the mask */
	if (lode_prof_is_on() && (uintptr_t)a.handler == (uintptr_t)SIG_IGN) {
		lode_os_sigaction(SIGPROF, NULL, &handler_before_exec);
		lode_os_sigaction(SIGPROF, &a, NULL);
	}
	if (t->blocks_prof)
		lode_os_sigmask(SIG_BLOCK, &prof, NULL);
}

void lode_signals_after_failed_exec(struct lode_thread *t)
{
	uint64_t prof = PROF_BIT;
	if (handler_before_exec.handler)
		lode_os_sigaction(SIGPROF, &handler_before_exec, NULL);
	handler_before_exec.handler = NULL;
	if (t->blocks_prof && lode_prof_is_on())
		lode_os_sigmask(SIG_UNBLOCK, &prof, NULL);
}

void lode_signals_note_no_timer(int error)
{
	lode_notice(LODE_NOTICE_MISSING, "a thread got no CPU timer (errno %d, RLIMIT_SIGPENDING?): its samples are missing",
		    error);
}
