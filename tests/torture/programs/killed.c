/* Four threads allocate until somebody kills them, and count in a file that survives: argument.  Each has its own function,
 * so that a recording can be compared thread by thread. */
#include <fcntl.h>

#include "torture.h"

static volatile uint64_t *counters; /* one a cache line */

#define WORKER(k) \
	__attribute__((noinline)) void worker_##k(void) \
	{ \
		void *p[64] = { 0 }; \
		for (unsigned i = 0, seed = k;; i++) { \
			free(p[i % 64]); \
			p[i % 64] = hide(malloc((seed = seed * 1103515245 + 12345) >> 16 & 1023)); \
			counters[k * 8]++; \
		} \
	} \
	static void *start_##k(void *unused) \
	{ \
		(void)unused; \
		worker_##k(); \
		return NULL; \
	}
WORKER(0)
WORKER(1)
WORKER(2)
WORKER(3)

int main(int argc, char **argv)
{
	must(argc > 1);
	int fd = open(argv[1], O_RDWR | O_CREAT, 0600);
	must(fd >= 0 && ftruncate(fd, 4096) == 0);
	counters = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(counters != MAP_FAILED);
	start(start_0, NULL);
	start(start_1, NULL);
	start(start_2, NULL);
	start(start_3, NULL);
	pause();
	return 0;
}
