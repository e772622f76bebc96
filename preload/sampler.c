/* Timers and the SIGPROF handler.  Contract in sampler.h; rules in design.md section 5.
 *
 * The handler takes a few dozen bytes of the interrupted stack beyond the kernel's frame: it goes on at once on a stack of
 * the thread's own, so that 4 KiB coroutines and small alternate stacks survive it.  All signals are blocked meanwhile. */
#include "sampler.h"

#include <errno.h>
#include <stddef.h>
#include <ucontext.h>

#include "capture.h"
#include "event.h"
#include "modules.h"
#include "os.h"
#include "prof.h"
#include "python/code.h"
#include "signals.h"
#include "stacks.h"
#include "thread.h"

void lode_on_stack(void *top, void (*f)(void *, void *), void *a, void *b);
void lode_signal_return(void);

#define KERNEL_SA_RESTORER 0x04000000ul

static const uint64_t all_signals = ~UINT64_C(0);

/* CPU time since the thread's last sample; becomes 0. */
static uint64_t take_weight(struct lode_thread *t)
{
	uint64_t now = lode_os_thread_cpu_ns();
	uint64_t weight = now > t->cpu_ns ? now - t->cpu_ns : 0;
	t->cpu_ns = now;
	return weight;
}

static void take(void *thread, void *context)
{
	struct lode_thread *t = thread;
	const greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
	struct lode_capture_context c = {.pc = (uintptr_t)r[REG_RIP], .sp = (uintptr_t)r[REG_RSP],
					 .bp = (uintptr_t)r[REG_RBP]};
	if (lode_stacks_wants_room())
		lode_stacks_prepare();
	uint32_t stack = lode_capture_signal(t, &c);
	if (lode_modules_refresh_wanted() || lode_code_wants_room() || !t->lane.spare) {
		t->attention |= LODE_ATTENTION_PREPARE;
		t->bytes_left = 0; /* the next allocation takes it up, whatever the mode */
	}
	lode_event_sample(t, c.sample_flags, take_weight(t), stack);
}

static void handle_ours(void *context)
{
	struct lode_thread *t = lode_self;
	if ((uintptr_t)t <= 1 || !lode_gate->is_on || !lode_prof_is_on())
		return;
	if (t->busy) {
		t->deferred_pc = (uintptr_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
		t->attention |= LODE_ATTENTION_SAMPLE;
		return;
	}
	t->busy = 2;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	lode_on_stack(t->handler_stack + LODE_HANDLER_STACK_BYTES, take, t, context);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	t->busy = 0;
}

static void handler(int sig, void *info, void *context)
{
	if (!lode_prof_is_ours(info)) {
		lode_signals_deliver(sig, info, context);
		return;
	}
	int saved = errno;
	handle_ours(context);
	errno = saved;
}

bool lode_sampler_init(void)
{
	struct lode_os_sigaction ours = {
		.handler = handler,
		.flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK | KERNEL_SA_RESTORER,
		.restorer = lode_signal_return,
		.mask = all_signals,
	};
	struct lode_os_sigaction before;
	if (lode_os_sigaction(SIGPROF, &ours, &before) < 0)
		return false;
	lode_signals_adopt(&before);
	lode_prof_begin();
	return true;
}

static uint64_t random_below(struct lode_thread *t, uint64_t n)
{
	t->random ^= t->random << 13;
	t->random ^= t->random >> 7;
	t->random ^= t->random << 17;
	return t->random % n;
}

void lode_sampler_start(struct lode_thread *t)
{
	t->timer = -1;
	if (!lode_prof_is_on() || !lode_config.rate)
		return;
	t->cpu_ns = t->cpu_start_ns = lode_os_thread_cpu_ns();
	uint64_t period = 1000000000u / lode_config.rate;
	int timer;
	int r = lode_os_timer_create(t->tid, &lode_prof_cookie, &timer);
	if (r < 0) {
		lode_signals_note_no_timer(-r);
		return;
	}
	t->timer = timer;
	/* the first one anywhere in the period, else short threads are never seen */
	lode_os_timer_set(timer, 1 + random_below(t, period), period);
}

void lode_sampler_stop(struct lode_thread *t)
{
	if (t->timer >= 0)
		lode_os_timer_delete(t->timer);
	t->timer = -1;
}

void lode_sampler_take_deferred(struct lode_thread *t, void *frame)
{
	uint32_t stack = lode_capture_hook(t, frame);
	/* in the allocator, or in what recording costs: the caller is not to blame for either */
	if (lode_is_own_code(t->deferred_pc))
		stack = lode_capture_under(stack, LODE_SPECIAL_RECORDING);
	else if (t->deferred_pc)
		stack = lode_capture_leaf(stack, t->deferred_pc);
	lode_event_sample(t, LODE_SAMPLE_LATE, take_weight(t), stack);
}

void lode_sampler_skip(struct lode_thread *t)
{
	if (lode_prof_is_on() && lode_config.rate)
		t->cpu_ns = lode_os_thread_cpu_ns();
}

void lode_sampler_account_residue(struct lode_thread *t)
{
	if (!lode_prof_is_on() || !lode_config.rate)
		return;
	uint64_t weight = take_weight(t);
	if (weight)
		lode_event_sample(t, LODE_SAMPLE_RESIDUE, weight,
				  lode_capture_special(t->start_routine, LODE_SPECIAL_UNSAMPLED));
}

void lode_sampler_fork_child(struct lode_thread *t)
{
	t->timer = -1; /* timers are not inherited */
	lode_sampler_start(t);
	t->cpu_ns = t->cpu_start_ns = 0; /* the child's own clock began at the fork */
}
