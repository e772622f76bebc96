/* Threads: their structs' life.  Contract in thread.h. */
#include "thread.h"

#include <errno.h>
#include <pthread.h>

#include "capture.h"
#include "clock.h"
#include "event.h"
#include "lane.h"
#include "modules.h"
#include "os.h"
#include "process.h"
#include "python/code.h"
#include "python/interp.h"
#include "sample.h"
#include "sampler.h"
#include "signals.h"
#include "stacks.h"

_Thread_local struct lode_thread *lode_self;

#define DESTRUCTOR_ROUNDS 4 /* PTHREAD_DESTRUCTOR_ITERATIONS of glibc */

static pthread_key_t exit_key;
static bool has_exit_key;
static uint32_t list_lock, orphan_lock;
static struct lode_thread *all_threads, *free_threads;
static struct lode_thread *orphans; /* the struct that retired threads share */

static void lock(uint32_t *l)
{
	while (__atomic_exchange_n(l, 1, __ATOMIC_ACQUIRE))
		lode_os_yield();
}

static void unlock(uint32_t *l)
{
	__atomic_store_n(l, 0, __ATOMIC_RELEASE);
}

/* ---- structs -------------------------------------------------------------------------------- */

struct lode_thread *lode_thread_new(void)
{
	if (lode_self)
		lode_clock_is_shared = true; /* not the first thread, and not the orphans' struct of a process with one */
	lock(&list_lock);
	struct lode_thread *t = free_threads;
	if (t)
		free_threads = t->next_free;
	unlock(&list_lock);
	if (t)
		return t;
	t = lode_os_map(sizeof *t);
	if (!t)
		return NULL;
	t->timer = -1;
	lock(&list_lock);
	t->next = all_threads;
	all_threads = t;
	unlock(&list_lock);
	return t;
}

void lode_thread_free(struct lode_thread *t)
{
	lock(&list_lock);
	t->next_free = free_threads;
	free_threads = t;
	unlock(&list_lock);
}

static void thread_exits(void *round)
{
	uintptr_t n = (uintptr_t)round;
	if (n < DESTRUCTOR_ROUNDS)
		pthread_setspecific(exit_key, (void *)(n + 1)); /* the others' destructors first */
	else
		lode_thread_end();
}

bool lode_thread_init(void)
{
	has_exit_key = pthread_key_create(&exit_key, thread_exits) == 0;
	orphans = lode_thread_new();
	return orphans != NULL;
}

/* ---- begin and end -------------------------------------------------------------------------- */

static void say_name(int tid)
{
	char name[16];
	lode_os_thread_name(name);
	name[15] = 0;
	lode_event_thread(tid, name);
}

void lode_thread_begin(struct lode_thread *t, uintptr_t low, uintptr_t high, uintptr_t start_routine)
{
	t->busy = 1;
	t->attention = LODE_ATTENTION_PREPARE;
	t->tid = lode_os_tid();
	t->stack_low = low;
	t->stack_high = high;
	t->start_routine = start_routine;
	t->random = ((lode_ticks_release() * 0x9e3779b97f4a7c15u) ^ ((uint64_t)t->tid << 32)) | 1;
	lode_sample_next(t);
	t->has_pending_prof = false;
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

void lode_thread_account_exit(struct lode_thread *t)
{
	say_name(t->tid);
	lode_sampler_account_residue(t);
	lode_event_thread_exit(t->tid, t->cpu_ns - t->cpu_start_ns);
}

void lode_thread_end(void)
{
	struct lode_thread *t = lode_self;
	if ((uintptr_t)t <= 1)
		return;
	int saved = errno;
	t->busy = 1;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	lode_sampler_stop(t);
	if (!lode_process_is_filtered())
		lode_thread_account_exit(t);
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
		lock(&orphan_lock);
		t = orphans;
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
		lode_thread_begin(t, 0, 0, 0);
		t->busy = 1;
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
		lode_interp_look();
	}
}

LODE_COLD void lode_thread_leave_slow(struct lode_thread *t, void *frame)
{
	int saved = errno;
	if (t == orphans) {
		t->busy = 0;
		t->attention = 0;
		unlock(&orphan_lock);
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

void lode_thread_stop_timers(void)
{
	lock(&list_lock);
	for (struct lode_thread *t = all_threads; t; t = t->next)
		lode_sampler_stop(t);
	unlock(&list_lock);
}

/* ---- fork ----------------------------------------------------------------------------------- */

void lode_thread_lock_all(void)
{
	lock(&list_lock);
	lock(&orphan_lock);
}

void lode_thread_unlock_all(void)
{
	unlock(&orphan_lock);
	unlock(&list_lock);
}

void lode_thread_fork_child(void)
{
	struct lode_thread *self = (uintptr_t)lode_self > 1 ? lode_self : NULL;
	free_threads = NULL;
	for (struct lode_thread *t = all_threads; t; t = t->next) {
		t->lane.segment = t->lane.spare = NULL; /* the parent's */
		t->lane.at = NULL;
		t->timer = -1;
		if (t != self && t != orphans) {
			t->next_free = free_threads;
			free_threads = t;
		}
	}
	list_lock = orphan_lock = 0;
	if (!self)
		return;
	self->is_main = true; /* its exit is the process' exit */
	self->tid = lode_os_tid();
	self->attention = LODE_ATTENTION_PREPARE;
	lode_capture_reset(self);
}

void lode_thread_fork_begin(struct lode_thread *t)
{
	lode_lane_room_slow(t, LODE_LANE_SLACK * 4);
	say_name(t->tid);
	lode_sampler_fork_child(t);
}
