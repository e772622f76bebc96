/* exec from a thread that is not the first, with others burning CPU time. */
#include "torture.h"

static char *self;

static void *burns(void *unused)
{
	(void)unused;
	for (;;)
		burn(BURN_1MS);
	return NULL;
}

static void *execs(void *unused)
{
	(void)unused;
	burn(20 * BURN_1MS);
	execl(self, self, "again", NULL);
	return NULL;
}

int main(int argc, char **argv)
{
	self = argv[0];
	if (argc > 1) {
		burn_cpu_seconds(0.05);
		return done();
	}
	start(burns, NULL);
	start(burns, NULL);
	pthread_join(start(execs, NULL), NULL);
	fail("exec failed");
}
