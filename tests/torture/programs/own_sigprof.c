/* SIGPROF is the program's as well: its handler, its timer, its disposition, exactly its own signals. */
#include <sys/time.h>

#include "torture.h"

static volatile int got, foreign;

static void counts(int number)
{
	got += number == SIGPROF;
}

static void counts_with_info(int number, siginfo_t *info, void *context)
{
	(void)context;
	got += number == SIGPROF;
	foreign += info->si_code != SI_TKILL && info->si_code != SI_USER;
}

static void in_a_child_that_dies(void)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		signal(SIGPROF, SIG_DFL);
		burn(10 * BURN_1MS);
		raise(SIGPROF);
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid);
	must(WIFSIGNALED(status) && WTERMSIG(status) == SIGPROF);
}

int main(void)
{
	struct sigaction action, old;
	struct itimerval timer = { { 0, 20000 }, { 0, 20000 } }, seen;
	sigset_t mask;

	/* as nobody had touched it */
	must(sigaction(SIGPROF, NULL, &old) == 0 && old.sa_handler == SIG_DFL);
	must(getitimer(ITIMER_PROF, &seen) == 0 && !seen.it_value.tv_sec && !seen.it_value.tv_usec && !seen.it_interval.tv_usec);
	must(sigprocmask(SIG_BLOCK, NULL, &mask) == 0 && !sigismember(&mask, SIGPROF));

	/* exactly its own */
	memset(&action, 0, sizeof(action));
	action.sa_sigaction = counts_with_info;
	action.sa_flags = SA_SIGINFO | SA_RESTART;
	must(sigaction(SIGPROF, &action, &old) == 0 && old.sa_handler == SIG_DFL);
	must(sigaction(SIGPROF, NULL, &old) == 0 && old.sa_sigaction == counts_with_info);
	for (int i = 0; i < 100; i++) {
		burn(3 * BURN_1MS);
		raise(SIGPROF);
	}
	if (got != 100 || foreign)
		fail("%d signals came, %d of them foreign, 100 were sent", got, foreign);
	must(signal(SIGPROF, counts) == (void (*)(int))(void *)counts_with_info);
	must(sigaction(SIGPROF, NULL, &old) == 0 && old.sa_handler == counts);
	raise(SIGPROF);
	must(got == 101);

	/* blocked is blocked */
	sigemptyset(&mask);
	sigaddset(&mask, SIGPROF);
	must(sigprocmask(SIG_BLOCK, &mask, NULL) == 0);
	raise(SIGPROF);
	burn(20 * BURN_1MS);
	must(got == 101);
	must(sigpending(&mask) == 0 && sigismember(&mask, SIGPROF) == 1);
	sigemptyset(&mask);
	sigaddset(&mask, SIGPROF);
	must(sigprocmask(SIG_UNBLOCK, &mask, NULL) == 0);
	must(got == 102);

	/* its own timer */
	got = 0;
	must(setitimer(ITIMER_PROF, &timer, NULL) == 0);
	must(getitimer(ITIMER_PROF, &seen) == 0 && seen.it_interval.tv_usec == 20000);
	burn_cpu_seconds(1);
	memset(&timer, 0, sizeof(timer));
	must(setitimer(ITIMER_PROF, &timer, NULL) == 0);
	burn(10 * BURN_1MS);
	/* 50 expiries of a second at 20 ms; the process's CPU time contains ours too */
	if (got < 25 || got > 120)
		fail("%d signals of the program's own timer in a second of 50", got);

	/* ignored */
	must(signal(SIGPROF, SIG_IGN) == counts);
	got = 0;
	raise(SIGPROF);
	burn(20 * BURN_1MS);
	must(got == 0 && signal(SIGPROF, SIG_DFL) == SIG_IGN);
	in_a_child_that_dies();
	burn(20 * BURN_1MS);

	/* once only */
	memset(&action, 0, sizeof(action));
	action.sa_handler = counts;
	action.sa_flags = SA_RESETHAND;
	must(sigaction(SIGPROF, &action, NULL) == 0);
	burn(20 * BURN_1MS);
	raise(SIGPROF);
	must(got == 1 && sigaction(SIGPROF, NULL, &old) == 0 && old.sa_handler == SIG_DFL);
	return done();
}
