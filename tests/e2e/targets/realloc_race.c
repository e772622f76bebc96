/* Eight threads reallocate through one arena, so that an address that one gives up is another's at once.  A tool that
 * notes the release after the real call deletes the other thread's entry: hundreds of leaks that are none.
 * Arguments: threads, reallocations of each.  Everything is freed. */
#include <pthread.h>

#include "truth.h"

static int rounds;

__attribute__((noinline)) void reallocates(unsigned seed)
{
	void *p[16] = { 0 };
	for (int i = 0; i < rounds; i++) {
		seed = seed * 1103515245 + 12345;
		int k = (seed >> 16) % 16;
		p[k] = hide(realloc(p[k], 24 + (seed >> 8) % 2000));
	}
	for (int k = 0; k < 16; k++)
		free(p[k]);
}

__attribute__((noinline)) void mallocs(unsigned seed)
{
	void *p[16] = { 0 };
	for (int i = 0; i < rounds; i++) {
		seed = seed * 1103515245 + 12345;
		int k = (seed >> 16) % 16;
		free(p[k]);
		p[k] = hide(malloc(24 + (seed >> 8) % 2000));
	}
	for (int k = 0; k < 16; k++)
		free(p[k]);
}

static void *thread_main(void *k)
{
	reallocates((unsigned)(uintptr_t)k);
	mallocs((unsigned)(uintptr_t)k);
	return NULL;
}

int main(int argc, char **argv)
{
	int threads = argc > 1 ? atoi(argv[1]) : 8;
	pthread_t thread[64];

	rounds = argc > 2 ? atoi(argv[2]) : 50000;
	for (int i = 0; i < threads; i++)
		must(pthread_create(&thread[i], NULL, thread_main, (void *)(intptr_t)(i + 1)) == 0, "a thread");
	for (int i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	return 0;
}
