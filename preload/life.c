/* A thread's life.  Contract in life.h. */
#include "life.h"

#include <errno.h>
#include <pthread.h>

#include "capture.h"
#include "clock.h"
#include "event.h"
#include "lane.h"
#include "modules.h"
#include "os.h"
#include "python/alloc.h"
#include "python/code.h"
#include "python/interp.h"
#include "sample.h"
#include "sampler.h"
#include "stacks.h"
#include "thread.h"

#define DESTRUCTOR_ROUNDS 4 /* PTHREAD_DESTRUCTOR_ITERATIONS of glibc */

uint32_t lode_life_late_looks;

static pthread_key_t exit_key;
static bool has_exit_key;

static void thread_exits(void *round)
{
	uintptr_t n = (uintptr_t)round;
	if (n < DESTRUCTOR_ROUNDS)
		pthread_setspecific(exit_key, (void *)(n + 1)); /* the others' destructors first */
	else
		lode_life_end();
}

bool lode_life_init(void)
{
	has_exit_key = pthread_key_create(&exit_key, thread_exits) == 0;
	return lode_thread_init();
}

/* ---- begin and end -------------------------------------------------------------------------- */

static void say_name(int tid)
{
	char name[16];
	lode_os_thread_name(name);
	name[15] = 0;
	lode_event_thread(tid, name);
}

void lode_life_begin(struct lode_thread *t, uintptr_t low, uintptr_t high, uintptr_t start_routine)
{
	t->busy = 2;
	t->attention = LODE_ATTENTION_PREPARE;
	t->tid = lode_os_tid();
	t->stack_low = low;
	t->stack_high = high;
	t->start_routine = start_routine;
	t->random = ((lode_ticks_release() * 0x9e3779b97f4a7c15u) ^ ((uint64_t)t->tid << 32)) | 1;
	lode_sample_next(t);
	t->has_pending_prof = false;
	t->blocks_prof = false;
	lode_self = t;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (has_exit_key && !t->is_main)
		pthread_setspecific(exit_key, (void *)1);
	if (t->lane.at && t->lane.at <= t->lane.limit - LODE_LANE_SLACK * 2)
		lode_lane_name(t); /* a pooled lane goes on under the new name */
	else
		lode_lane_room_slow(t, LODE_LANE_SLACK * 4);
	say_name(t->tid);
	lode_capture_reset(t);
	lode_sampler_start(t);
	t->busy = 0;
}

void lode_life_account_exit(struct lode_thread *t)
{
	say_name(t->tid);
	lode_sampler_account_residue(t);
	lode_event_thread_exit(t->tid, t->cpu_ns - t->cpu_start_ns);
}

void lode_life_end(void)
{
	struct lode_thread *t = lode_self;
	if ((uintptr_t)t <= 1)
		return;
	int saved = errno;
	t->busy = 1;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	lode_sampler_stop(t);
	if (lode_gate->is_on && !lode_is_filtered && lode_os_pid() == lode_pid)
		lode_life_account_exit(t);
	lode_self = LODE_THREAD_RETIRED;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	t->busy = 0;
	t->attention = 0;
	lode_thread_free(t);
	errno = saved;
}

/* ---- the rare ways in and out --------------------------------------------------------------- */

LODE_COLD struct lode_thread *lode_thread_enter_slow(void)
{
	struct lode_thread *t = lode_self;
	if (!lode_gate->is_on)
		return NULL;
	if (t == LODE_THREAD_RETIRED) {
		t = lode_thread_take_orphans();
		if (!t)
			return NULL;
		t->busy = 2; /* leave comes back here */
		if (t->tid != lode_os_tid()) {
			t->tid = lode_os_tid();
			if (lode_lane_room(t))
				lode_lane_name(t);
		}
		return t;
	}
	if (t)
		return NULL; /* cannot be: enter took it */
	int saved = errno;
	lode_self = LODE_THREAD_RETIRED; /* what follows must not come here again */
	t = lode_thread_new();
	lode_self = NULL;
	lode_clock_is_shared = true;
	if (t) {
		lode_life_begin(t, 0, 0, 0);
		t->busy = 1;
		t->hook_frame = UINTPTR_MAX;
	}
	errno = saved;
	return t;
}

static void prepare(struct lode_thread *t)
{
	lode_lane_prepare(t);
	if (lode_stacks_wants_room())
		lode_stacks_prepare();
	lode_code_prepare();
	if (lode_modules_refresh_wanted()) {
		lode_modules_refresh();
		/* a dlopen whose end we do not see: looked for again until it has come */
		uint32_t left = __atomic_load_n(&lode_life_late_looks, __ATOMIC_RELAXED);
		if (left) {
			__atomic_store_n(&lode_life_late_looks, left - 1, __ATOMIC_RELAXED);
			lode_modules_want_refresh();
		}
		lode_interp_look();
	}
	lode_python_alloc_check();
}

LODE_COLD void lode_thread_leave_slow(struct lode_thread *t, void *frame)
{
	int saved = errno;
	if (lode_thread_is_orphans(t)) {
		t->busy = 0;
		t->attention = 0;
		lode_thread_leave_orphans();
		return;
	}
	do {
		t->busy = 1;
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
		uint32_t attention = __atomic_exchange_n(&t->attention, 0, __ATOMIC_RELAXED);
		if (attention & LODE_ATTENTION_SAMPLE)
			lode_sampler_take_deferred(t, frame);
		if (attention & LODE_ATTENTION_PREPARE)
			prepare(t);
		t->attention &= ~(uint32_t)LODE_ATTENTION_PREPARE;
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
		t->busy = 0;
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
	} while (t->attention);
	errno = saved;
}

void lode_life_stop_timers(void)
{
	lode_thread_each(lode_sampler_stop);
}

/* Nodes are numbered anew; whoever takes a pooled struct resets it at its begin, the shared one has none. */
static void reset_orphans(struct lode_thread *t)
{
	if (lode_thread_is_orphans(t))
		lode_capture_reset(t);
}

void lode_life_fork_child(struct lode_thread *t)
{
	lode_capture_reset(t);
	lode_thread_each(reset_orphans);
	lode_lane_room_slow(t, LODE_LANE_SLACK * 4);
	say_name(t->tid);
	lode_sampler_fork_child(t);
}
