/* errno is nobody else's: not a malloc's that works, not a free's, not a signal's.  Argument: millions of rounds. */
#include "torture.h"

static long rounds;

static void *checks(void *unused)
{
	(void)unused;
	long changed = 0;
	void *block = NULL;
	for (long i = 0; i < rounds; i++) {
		errno = 4711;
		block = realloc(block, i % 100 + 1);
		void *p = hide(malloc(i % 3000));
		void *q = hide(calloc(1, i % 50));
		free(p);
		free(q);
		changed += errno != 4711;
	}
	free(block);
	errno = 4712;
	for (int i = 0; i < 300; i++) {
		burn(BURN_1MS);
		changed += errno != 4712;
	}
	if (changed)
		fail("errno changed %ld times", changed);
	return NULL;
}

int main(int argc, char **argv)
{
	rounds = (argc > 1 ? atof(argv[1]) : 1) * 1e6;
	pthread_t other = start(checks, NULL);
	checks(NULL);
	pthread_join(other, NULL);
	errno = 0;
	must(hide(malloc(PTRDIFF_MAX)) == NULL && errno == ENOMEM);
	return done();
}
