/* Allocates 777 known blocks and ends in the way that its argument names. */
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

#include "truth.h"

__attribute__((noinline)) void allocates_777(void)
{
	for (int i = 0; i < 777; i++)
		hide(malloc(100));
}

static void *other_thread(void *unused)
{
	(void)unused;
	pthread_exit(NULL);
}

/* The process ends with its last thread, which is not the main one. */
static void *last_thread(void *unused)
{
	(void)unused;
	usleep(20000);
	allocates_777();
	return NULL;
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "return";
	pthread_t thread;

	if (!strcmp(how, "last_thread")) {
		pthread_create(&thread, NULL, last_thread, NULL);
		pthread_detach(thread);
		pthread_exit(NULL);
	}
	pthread_create(&thread, NULL, other_thread, NULL);
	pthread_join(thread, NULL);
	allocates_777();
	if (!strcmp(how, "exit"))
		exit(3);
	if (!strcmp(how, "_exit"))
		_exit(4);
	if (!strcmp(how, "quick_exit"))
		quick_exit(5);
	if (!strcmp(how, "exit_group"))
		syscall(SYS_exit_group, 6);
	if (!strcmp(how, "abort"))
		abort();
	if (!strcmp(how, "segv"))
		*(volatile int *)hide((void *)8) = 1;
	if (!strcmp(how, "term"))
		kill(getpid(), SIGTERM);
	if (!strcmp(how, "kill"))
		kill(getpid(), SIGKILL);
	if (!strcmp(how, "execve"))
		execl("/bin/true", "true", NULL);
	if (!strcmp(how, "execve_empty"))
		execle("/bin/true", "true", NULL, (char *[]){ NULL });
	return 0;
}
