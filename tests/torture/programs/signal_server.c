/* A server thread takes signals with sigwait and its kin while all threads block everything: it must see exactly what was
 * sent.  Argument: sigwait, sigwaitinfo, sigtimedwait, signalfd, sigpending. */
#include <poll.h>
#include <sys/signalfd.h>

#include "torture.h"

static volatile int stop;
static const char *how;
static int counts[65];

static void *burns(void *unused)
{
	(void)unused;
	while (!stop) {
		burn(BURN_1MS);
		free(hide(malloc(77)));
	}
	return NULL;
}

static void *serves(void *unused)
{
	(void)unused;
	sigset_t all;
	siginfo_t info;
	struct signalfd_siginfo from_file;
	int number, fd = -1;

	sigfillset(&all);
	if (!strcmp(how, "signalfd"))
		must((fd = signalfd(-1, &all, SFD_CLOEXEC)) >= 0);
	for (;;) {
		if (!strcmp(how, "sigwait"))
			must(sigwait(&all, &number) == 0);
		else if (!strcmp(how, "sigwaitinfo"))
			must((number = sigwaitinfo(&all, &info)) > 0);
		else if (!strcmp(how, "sigtimedwait"))
			must((number = sigtimedwait(&all, &info, &(struct timespec){ 60, 0 })) > 0);
		else {
			must(read(fd, &from_file, sizeof(from_file)) == sizeof(from_file));
			number = from_file.ssi_signo;
		}
		counts[number]++;
		if (number == SIGTERM)
			return NULL;
		if (number == SIGUSR1)
			kill(getppid() ? getpid() : 0, 0);
	}
}

int main(int argc, char **argv)
{
	sigset_t all, pending, old;

	how = argc > 1 ? argv[1] : "sigwait";
	sigfillset(&all);
	must(pthread_sigmask(SIG_BLOCK, &all, NULL) == 0);
	must(pthread_sigmask(SIG_BLOCK, NULL, &old) == 0);
	must(sigismember(&old, SIGPROF) && sigismember(&old, SIGUSR1) && sigismember(&old, SIGALRM));
	pthread_t burners[2] = { start(burns, NULL), start(burns, NULL) };
	if (!strcmp(how, "sigpending")) {
		for (int i = 0; i < 50; i++) {
			burn(10 * BURN_1MS);
			must(sigpending(&pending) == 0);
			for (int number = 1; number < 65; number++)
				if (sigismember(&pending, number) > 0)
					fail("signal %d is pending, nobody sent it", number);
		}
		must(kill(getpid(), SIGPROF) == 0 && sigpending(&pending) == 0 && sigismember(&pending, SIGPROF) == 1);
		stop = 1;
	} else {
		pthread_t server = start(serves, NULL);
		for (int i = 0; i < 40; i++) {
			sigset_t waiting;
			must(kill(getpid(), SIGUSR1) == 0);
			do { /* ordinary signals do not queue: wait until it was taken */
				burn(BURN_1MS);
				must(sigpending(&waiting) == 0);
			} while (sigismember(&waiting, SIGUSR1) > 0);
		}
		burn_cpu_seconds(1);
		must(kill(getpid(), SIGPROF) == 0); /* the program's own: it gets it */
		do {
			burn(BURN_1MS);
			must(sigpending(&pending) == 0);
		} while (sigismember(&pending, SIGPROF) > 0);
		must(kill(getpid(), SIGTERM) == 0);
		pthread_join(server, NULL);
		stop = 1;
		for (int number = 1; number < 65; number++) {
			int expected = number == SIGUSR1 ? 40 : number == SIGTERM || number == SIGPROF ? 1 : 0;
			if (counts[number] != expected)
				fail("signal %d came %d times, %d were sent", number, counts[number], expected);
		}
	}
	pthread_join(burners[0], NULL);
	pthread_join(burners[1], NULL);
	return done();
}
