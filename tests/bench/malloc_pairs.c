/* Pairs of malloc and free under a stack of 30 frames that is entered anew for every pair.
 * Arguments: pairs, threads, ways (1 or 64: how many different stacks there are, of which each pair takes any). */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static long pairs;
static unsigned ways = 1;

static void *left(int depth, unsigned way, size_t size);
static void *right(int depth, unsigned way, size_t size);

/* The lowest bits of `way` choose the functions of the last six frames. */
#define STEP(name)                                                                              \
	__attribute__((noinline)) static void *name(int depth, unsigned way, size_t size)        \
	{                                                                                       \
		void *p = depth == 0 ? malloc(size) :                                           \
			  depth < 7 && way >> (depth - 1) & 1 ? right(depth - 1, way, size) :  \
								 left(depth - 1, way, size);    \
		__asm__ volatile("" : "+r"(p) : : "memory");                                    \
		return p;                                                                       \
	}
STEP(left)
STEP(right)

static void *works(void *k)
{
	void *live[64] = { 0 };
	unsigned seed = (unsigned)(uintptr_t)k;
	for (long i = 0; i < pairs; i++) {
		seed = seed * 1103515245 + 12345;
		free(live[i % 64]);
		live[i % 64] = left(27, (seed >> 25) & (ways - 1), 16 + (seed >> 16) % 497);
	}
	for (int i = 0; i < 64; i++)
		free(live[i]);
	return NULL;
}

int main(int argc, char **argv)
{
	int threads = argc > 2 ? atoi(argv[2]) : 1;
	pthread_t thread[64];
	struct timespec t;

	ways = argc > 3 ? (unsigned)atoi(argv[3]) : 1;
	pairs = (argc > 1 ? atol(argv[1]) : 1000000) / threads;
	for (intptr_t i = 0; i < threads; i++)
		if (pthread_create(&thread[i], NULL, works, (void *)i))
			return 1;
	for (int i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	fprintf(stderr, "cpu %f\n", t.tv_sec + t.tv_nsec * 1e-9);
	return 0;
}
