/* Threads with the smallest stack that the system gives burn CPU time and allocate.  Arguments: stack bytes (0: the
 * minimum), threads. */
#include <limits.h>

#include "torture.h"

static void *burns(void *unused)
{
	(void)unused;
	for (int i = 0; i < 60; i++) {
		burn(BURN_1MS);
		free(hide(malloc(100)));
	}
	return NULL;
}

int main(int argc, char **argv)
{
	size_t bytes = argc > 1 && atoi(argv[1]) ? (size_t)atoi(argv[1]) : (size_t)PTHREAD_STACK_MIN;
	int n = argc > 2 ? atoi(argv[2]) : 20;
	pthread_attr_t attributes;
	pthread_t threads[64];

	pthread_attr_init(&attributes);
	must((errno = pthread_attr_setstacksize(&attributes, bytes)) == 0);
	for (int i = 0; i < n; i += 2) {
		must((errno = pthread_create(&threads[0], &attributes, burns, NULL)) == 0);
		must((errno = pthread_create(&threads[1], &attributes, burns, NULL)) == 0);
		pthread_join(threads[0], NULL);
		pthread_join(threads[1], NULL);
	}
	return done();
}
