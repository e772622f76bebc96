/* Threads' structs: the pool, the list, the spare one of the retired.  Contract in thread.h. */
#include "thread.h"

#include "os.h"

_Thread_local struct lode_thread *lode_self;

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

struct lode_thread *lode_thread_new(void)
{
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

bool lode_thread_init(void)
{
	orphans = lode_thread_new();
	return orphans != NULL;
}

struct lode_thread *lode_thread_take_orphans(void)
{
	lock(&orphan_lock);
	return orphans;
}

bool lode_thread_is_orphans(const struct lode_thread *t)
{
	return t == orphans;
}

void lode_thread_leave_orphans(void)
{
	unlock(&orphan_lock);
}

void lode_thread_each(void (*visit)(struct lode_thread *t))
{
	lock(&list_lock);
	for (struct lode_thread *t = all_threads; t; t = t->next)
		visit(t);
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
}
