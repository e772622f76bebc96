/* Threads' structs: the pool, the list, the spare one of the retired.  Contract in thread.h. */
#include "thread.h"

#include <signal.h>

#include "os.h"

_Thread_local struct lode_thread *lode_self;

static uint32_t list_lock, orphan_lock;
static int orphan_owner;     /* thread id */
static uint64_t orphan_mask; /* the owner's */
static struct lode_thread *all_threads, *free_threads;
static struct lode_thread *orphans; /* the struct that retired threads share */

/* Signals wait meanwhile: a handler of the program must not find its own thread's lock. */
static uint64_t lock(uint32_t *l)
{
	uint64_t all = ~UINT64_C(0), before = 0;
	lode_os_sigmask(SIG_BLOCK, &all, &before);
	for (unsigned i = 0; __atomic_exchange_n(l, 1, __ATOMIC_ACQUIRE); i++)
		lode_os_wait(i);
	return before;
}

static void unlock(uint32_t *l, uint64_t mask)
{
	__atomic_store_n(l, 0, __ATOMIC_RELEASE);
	lode_os_sigmask(SIG_SETMASK, &mask, NULL);
}

struct lode_thread *lode_thread_new(void)
{
	uint64_t mask = lock(&list_lock);
	struct lode_thread *t = free_threads;
	if (t)
		free_threads = t->next_free;
	unlock(&list_lock, mask);
	if (t)
		return t;
	t = lode_os_map(sizeof *t);
	if (!t)
		return NULL;
	t->timer = -1;
	mask = lock(&list_lock);
	t->next = all_threads;
	all_threads = t;
	unlock(&list_lock, mask);
	return t;
}

void lode_thread_free(struct lode_thread *t)
{
	uint64_t mask = lock(&list_lock);
	t->next_free = free_threads;
	free_threads = t;
	unlock(&list_lock, mask);
}

bool lode_thread_init(void)
{
	orphans = lode_thread_new();
	return orphans != NULL;
}

struct lode_thread *lode_thread_take_orphans(void)
{
	int tid = lode_os_tid();
	if (__atomic_load_n(&orphan_owner, __ATOMIC_RELAXED) == tid)
		return NULL; /* a hook inside its hook */
	uint64_t mask = lock(&orphan_lock);
	orphan_mask = mask;
	__atomic_store_n(&orphan_owner, tid, __ATOMIC_RELAXED);
	return orphans;
}

bool lode_thread_is_orphans(const struct lode_thread *t)
{
	return t == orphans;
}

void lode_thread_leave_orphans(void)
{
	uint64_t mask = orphan_mask;
	__atomic_store_n(&orphan_owner, 0, __ATOMIC_RELAXED);
	unlock(&orphan_lock, mask);
}

void lode_thread_each(void (*visit)(struct lode_thread *t))
{
	uint64_t mask = lock(&list_lock);
	for (struct lode_thread *t = all_threads; t; t = t->next)
		visit(t);
	unlock(&list_lock, mask);
}

/* ---- fork ----------------------------------------------------------------------------------- */

void lode_thread_fork_child(void)
{
	struct lode_thread *self = (uintptr_t)lode_self > 1 ? lode_self : NULL;
	free_threads = NULL;
	for (struct lode_thread *t = all_threads; t; t = t->next) {
		t->lane.segment = t->lane.spare = NULL; /* the parent's */
		t->lane.at = NULL;
		t->timer = -1;
		if (t != self)
			t->is_main = false;
		if (t != self && t != orphans) {
			t->next_free = free_threads;
			free_threads = t;
		}
	}
	list_lock = orphan_lock = 0;
	orphan_owner = 0;
	if (!self)
		return;
	self->is_main = true; /* its exit is the process' exit */
	self->tid = lode_os_tid();
	self->attention = LODE_ATTENTION_PREPARE;
}
