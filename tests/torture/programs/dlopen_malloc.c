/* Two threads load and unload libraries while four allocate: a handler that takes the loader's lock, or a hook that
 * holds a lock over a call into the loader, stops for ever.  Argument: seconds. */
#include <dlfcn.h>

#include "torture.h"

static const char *libraries[] = { "libz.so.1", "libbz2.so.1.0", "liblzma.so.5", "libexpat.so.1", "libcrypto.so.3",
				   "libsqlite3.so.0", "libncursesw.so.6", "libstdc++.so.6", "libm.so.6" };
enum { LIBRARIES = sizeof(libraries) / sizeof(*libraries), LOADERS = 2, ALLOCATORS = 4, THREADS = LOADERS + ALLOCATORS };

static volatile int stop;
static volatile uint64_t progress[THREADS][8];

static void *loads(void *k)
{
	intptr_t self = (intptr_t)k;
	for (unsigned i = self; !stop; i++) {
		void *handle = dlopen(libraries[i % LIBRARIES], i & 1 ? RTLD_NOW : RTLD_LAZY);
		if (handle)
			dlclose(handle);
		progress[self][0]++;
	}
	return NULL;
}

__attribute__((noinline)) static void allocates_deep(int depth, unsigned *seed)
{
	void *p[8];
	for (int i = 0; i < 8; i++)
		p[i] = hide(malloc((*seed = *seed * 1103515245 + 12345) >> 16 & 4095));
	if (depth)
		allocates_deep(depth - 1, seed);
	for (int i = 0; i < 8; i++)
		free(p[i]);
}

static void *allocates(void *k)
{
	intptr_t self = (intptr_t)k;
	unsigned seed = self;
	while (!stop) {
		allocates_deep(10, &seed);
		progress[self][0]++;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	double until = clock_seconds(CLOCK_MONOTONIC) + (argc > 1 ? atof(argv[1]) : 10);
	pthread_t threads[THREADS];
	uint64_t last[THREADS] = { 0 };
	int still[THREADS] = { 0 };

	for (intptr_t i = 0; i < THREADS; i++)
		threads[i] = start(i < LOADERS ? loads : allocates, (void *)i);
	while (clock_seconds(CLOCK_MONOTONIC) < until) {
		usleep(500000);
		for (int i = 0; i < THREADS; i++) {
			still[i] = progress[i][0] == last[i] ? still[i] + 1 : 0;
			last[i] = progress[i][0];
			if (still[i] >= 60) /* a deadlock lasts for ever, a slow machine does not */
				fail("%s thread stands still", i < LOADERS ? "a loading" : "an allocating");
		}
	}
	stop = 1;
	alarm(60);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	return done();
}
