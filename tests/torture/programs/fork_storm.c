/* Forks from a process whose four other threads allocate; each child allocates, starts a thread and exits: a lock that was
 * held elsewhere at the fork hangs it.  Arguments: children, how (fork, _Fork, clone, vfork). */
#include "torture.h"

static volatile int stop;

static void *allocates(void *k)
{
	unsigned seed = (uintptr_t)k;
	while (!stop) {
		void *p[32];
		for (int i = 0; i < 32; i++)
			p[i] = hide(malloc((seed = seed * 1103515245 + 12345) >> 16 & 2047));
		for (int i = 0; i < 32; i++)
			free(p[i]);
	}
	return NULL;
}

static void *allocates_once(void *unused)
{
	(void)unused;
	for (int i = 0; i < 200; i++)
		free(hide(malloc(i)));
	return NULL;
}

static void child(int i, int with_malloc)
{
	alarm(120); /* what hangs dies by it */
	if (with_malloc) {
		for (int k = 0; k < 500; k++)
			free(hide(malloc(k)));
		if (i % 8 == 0)
			pthread_join(start(allocates_once, NULL), NULL);
	}
	burn(BURN_1MS);
	if (i % 16 == 0 && with_malloc)
		exit(0);
	_exit(0);
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 200;
	const char *how = argc > 2 ? argv[2] : "fork";
	pthread_t threads[4];

	for (intptr_t i = 0; i < 4; i++)
		threads[i] = start(allocates, (void *)i);
	for (int i = 0; i < n; i++) {
		int status;
		pid_t pid;

		if (!strcmp(how, "_Fork")) {
			pid = _Fork();
		} else if (!strcmp(how, "clone")) {
			pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
		} else if (!strcmp(how, "vfork")) {
			pid = vfork();
			if (pid == 0)
				_exit(0);
		} else {
			pid = fork();
		}
		/* After _Fork and clone libc's own locks are not reset: malloc would hang without us. */
		if (pid == 0)
			child(i, !strcmp(how, "fork"));
		must(pid > 0 && waitpid(pid, &status, 0) == pid);
		if (status)
			fail("child %d: wait status %#x", i, status);
	}
	stop = 1;
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	return done();
}
