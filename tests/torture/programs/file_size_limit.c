/* RLIMIT_FSIZE is the program's own business: no SIGXFSZ, no failure, whatever the limit.  Argument: bytes. */
#include <fcntl.h>
#include <sys/resource.h>

#include "torture.h"

static volatile int got;

static void handler(int number)
{
	got = number;
}

int main(int argc, char **argv)
{
	rlim_t bytes = argc > 1 ? atol(argv[1]) : 0;
	int by_default = argc > 2;
	char name[] = "/tmp/lode-limit-XXXXXX";
	void **live = NULL;

	if (!by_default)
		signal(SIGXFSZ, handler);
	must(setrlimit(RLIMIT_FSIZE, &(struct rlimit){ bytes, bytes }) == 0);
	for (int i = 0; i < 400000; i++) {
		void **p = malloc(64 + i % 999);
		must(p);
		*p = live;
		live = p;
	}
	while (live) {
		void **next = *live;
		free(live);
		live = next;
	}
	burn_cpu_seconds(0.2);
	if (got)
		fail("SIGXFSZ came");
	if (!by_default) { /* and its own writes still meet the limit */
		int fd = mkstemp(name);
		unlink(name);
		must(lseek(fd, bytes, SEEK_SET) == (off_t)bytes);
		must(write(fd, "x", 1) == -1 && errno == EFBIG && got == SIGXFSZ);
	}
	return done();
}
