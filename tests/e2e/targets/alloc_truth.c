/* Every allocation function of C, each in one function whose truth is known. */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>

#include "truth.h"

static void *kept[4096];
static int kept_count;

static void keep(void *p)
{
	must(p != NULL, "an allocation");
	kept[kept_count++] = p;
}

CASE malloc_kept(void)
{
	uint64_t bytes = 0;
	for (int i = 1; i <= 100; i++) {
		keep(malloc(i * 24));
		bytes += i * 24;
	}
	truth_add(KEPT(bytes, 100));
}

CASE malloc_freed(void)
{
	uint64_t bytes = 0;
	for (int i = 1; i <= 1000; i++) {
		free(hide(malloc(i)));
		bytes += i;
	}
	truth_add(FREED(bytes, 1000));
}

CASE malloc_half_freed(void)
{
	for (int i = 0; i < 200; i++) {
		void *p = hide(malloc(1000));
		if (i % 2)
			free(p);
		else
			keep(p);
	}
	truth_add((struct truth){ __func__, 200000, 200, 100000, 100, 100000, 1 });
}

CASE malloc_of_nothing(void)
{
	keep(malloc(0));
	keep(malloc(0));
	truth_add(KEPT(0, 2));
}

CASE malloc_that_fails(void)
{
	for (int i = 0; i < 10; i++) {
		errno = 0;
		must(hide(malloc(PTRDIFF_MAX)) == NULL && errno == ENOMEM, "failing malloc");
	}
	truth_add(FREED(0, 0));
}

CASE calloc_kept(void)
{
	for (int i = 1; i <= 20; i++)
		keep(calloc(i, 64));
	truth_add(KEPT(210 * 64, 20));
}

CASE calloc_that_overflows(void)
{
	must(hide(calloc(SIZE_MAX / 2, 4)) == NULL, "failing calloc");
	truth_add(FREED(0, 0));
}

/* Each step is one allocation of the new size. */
CASE realloc_grows(void)
{
	uint64_t bytes = 0;
	void *p = NULL;
	for (int i = 1; i <= 200; i++) {
		p = hide(realloc(p, i * 100));
		must(p != NULL, "realloc");
		bytes += i * 100;
	}
	keep(p);
	truth_add((struct truth){ __func__, bytes, 200, 20000, 1, 20000, 1 });
}

CASE realloc_shrinks(void)
{
	void *p = NULL;
	for (int i = 10; i >= 1; i--)
		p = hide(realloc(p, i * 1000));
	keep(p);
	truth_add((struct truth){ __func__, 55000, 10, 1000, 1, 1000, 1 });
}

CASE realloc_to_nothing_frees(void)
{
	for (int i = 0; i < 50; i++) {
		void *p = hide(realloc(NULL, 300));
		must(hide(realloc(p, 0)) == NULL, "realloc(p, 0) that frees");
	}
	truth_add(FREED(15000, 50));
}

CASE realloc_that_fails_keeps_the_block(void)
{
	void *p = hide(realloc(NULL, 700));
	must(hide(realloc(p, PTRDIFF_MAX)) == NULL, "failing realloc");
	keep(p);
	truth_add(KEPT(700, 1));
}

CASE reallocarray_grows(void)
{
	void *p = NULL;
	for (int i = 1; i <= 10; i++)
		p = hide(reallocarray(p, i, 128));
	must(hide(reallocarray(p, SIZE_MAX / 2, 4)) == NULL, "failing reallocarray");
	keep(p);
	truth_add((struct truth){ __func__, 55 * 128, 10, 1280, 1, 1280, 1 });
}

CASE posix_memalign_kept(void)
{
	for (int i = 0; i < 7; i++) {
		void *p = NULL;
		must(posix_memalign(&p, 64 << i, 333) == 0, "posix_memalign");
		must(((uintptr_t)p & ((64 << i) - 1)) == 0, "alignment");
		keep(p);
	}
	truth_add(KEPT(7 * 333, 7));
}

CASE posix_memalign_that_fails(void)
{
	void *p = (void *)1;
	must(posix_memalign(&p, 3, 100) == EINVAL && p == (void *)1, "failing posix_memalign");
	truth_add(FREED(0, 0));
}

CASE aligned_alloc_kept(void)
{
	for (int i = 0; i < 5; i++)
		keep(aligned_alloc(256, 1024));
	truth_add(KEPT(5120, 5));
}

CASE memalign_kept(void)
{
	for (int i = 0; i < 6; i++)
		keep(memalign(128, 900));
	truth_add(KEPT(5400, 6));
}

CASE valloc_kept(void)
{
	for (int i = 0; i < 3; i++)
		keep(valloc(5000));
	truth_add(KEPT(15000, 3));
}

CASE pvalloc_kept(void) /* a whole number of pages: requested and rounded sizes are the same */
{
	for (int i = 0; i < 3; i++)
		keep(pvalloc(8192));
	truth_add(KEPT(24576, 3));
}

CASE aligned_blocks_freed(void)
{
	for (int i = 0; i < 40; i++) {
		void *p = NULL;
		must(posix_memalign(&p, 4096, 4096) == 0, "posix_memalign");
		free(hide(p));
	}
	truth_add(FREED(40 * 4096, 40));
}

CASE strdup_kept(void)
{
	for (int i = 0; i < 30; i++)
		keep(strdup("nineteen characters"));
	keep(strndup("nineteen characters", 8));
	truth_add(KEPT(30 * 20 + 9, 31));
}

/* ---- pointers from dlsym ---- */

static void *(*pointed_malloc)(size_t), *(*pointed_realloc)(void *, size_t);
static void (*pointed_free)(void *);

CASE malloc_through_dlsym_default(void)
{
	for (int i = 0; i < 11; i++)
		keep(pointed_malloc(111));
	for (int i = 0; i < 11; i++)
		pointed_free(hide(pointed_realloc(NULL, 222)));
	truth_add((struct truth){ __func__, 11 * 111 + 11 * 222, 22, 11 * 111, 11, 11 * 111, 1 });
}

static void *(*handled_calloc)(size_t, size_t);

CASE calloc_through_the_null_handle(void)
{
	for (int i = 0; i < 13; i++)
		keep(handled_calloc(3, 50));
	truth_add(KEPT(13 * 150, 13));
}

/* ---- threads ---- */

enum { HANDED = 5000 };
static void *handed[HANDED];

CASE allocated_here_freed_by_another_thread(void)
{
	for (int i = 0; i < HANDED; i++)
		handed[i] = hide(malloc(200));
	truth_add(FREED(HANDED * 200, HANDED));
}

static void *free_handed(void *unused)
{
	(void)unused;
	for (int i = 0; i < HANDED; i++)
		free(handed[i]);
	return NULL;
}

enum { THREADS = 4, EACH = 1000 };
static void *thread_kept[THREADS][EACH];

__attribute__((noinline)) void allocates_in_four_threads(int k)
{
	for (int i = 0; i < EACH; i++) {
		thread_kept[k][i] = hide(malloc(48));
		free(hide(malloc(500)));
	}
}

static void *thread_main(void *k)
{
	allocates_in_four_threads((int)(intptr_t)k);
	return NULL;
}

static pthread_key_t key;

/* Runs after the thread's function has returned. */
void destructor_that_allocates(void *value)
{
	intptr_t n = (intptr_t)value;
	thread_kept[n % THREADS][0] = hide(malloc(1234));
	free(hide(malloc(4321)));
}

static void *thread_with_destructor(void *k)
{
	pthread_setspecific(key, k);
	return NULL;
}

static void start_and_join(void *(*function)(void *), int n)
{
	pthread_t threads[16];
	for (int i = 0; i < n; i++)
		must(pthread_create(&threads[i], NULL, function, (void *)(intptr_t)(i + 1)) == 0, "a thread");
	for (int i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
}

static void *thread_main_shifted(void *k)
{
	return thread_main((void *)((intptr_t)k - 1));
}

/* The program's peak: 64 MiB in known sizes, on top of what was kept before.  Nothing kept after it. */
CASE peak_of_the_program(void)
{
	static void *blocks[1024];
	for (int i = 0; i < 1024; i++)
		blocks[i] = hide(malloc(65536));
	for (int i = 0; i < 1024; i++)
		free(blocks[i]);
	truth_add((struct truth){ __func__, 1024 * 65536, 1024, 0, 0, 1024 * 65536, 1 });
}

int main(void)
{
	pointed_malloc = (void *(*)(size_t))dlsym(RTLD_DEFAULT, "malloc");
	pointed_realloc = (void *(*)(void *, size_t))dlsym(RTLD_DEFAULT, "realloc");
	pointed_free = (void (*)(void *))dlsym(RTLD_DEFAULT, "free");
	handled_calloc = (void *(*)(size_t, size_t))dlsym(dlopen(NULL, RTLD_NOW), "calloc");
	pthread_key_create(&key, destructor_that_allocates);

	malloc_kept();
	malloc_freed();
	malloc_half_freed();
	malloc_of_nothing();
	malloc_that_fails();
	calloc_kept();
	calloc_that_overflows();
	realloc_grows();
	realloc_shrinks();
	realloc_to_nothing_frees();
	realloc_that_fails_keeps_the_block();
	reallocarray_grows();
	posix_memalign_kept();
	posix_memalign_that_fails();
	aligned_alloc_kept();
	memalign_kept();
	valloc_kept();
	pvalloc_kept();
	aligned_blocks_freed();
	strdup_kept();
	malloc_through_dlsym_default();
	calloc_through_the_null_handle();
	allocated_here_freed_by_another_thread();
	start_and_join(free_handed, 1);
	start_and_join(thread_main_shifted, THREADS);
	truth_add((struct truth){ "allocates_in_four_threads", THREADS * EACH * 548, 2 * THREADS * EACH, THREADS * EACH * 48,
				  THREADS * EACH, THREADS * EACH * 48, 1 });
	start_and_join(thread_with_destructor, 6);
	truth_add((struct truth){ "destructor_that_allocates", 6 * 5555, 12, 6 * 1234, 6, 6 * 1234, 1 });
	peak_of_the_program();
	truth_print();
	_exit(0); /* what is kept is live at the end; no library frees it on the way out */
}
