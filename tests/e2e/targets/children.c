/* A tree of processes: each of N children allocates a known amount and ends.  Arguments: how, N.
 * how: fork, exec (fork and exec of this program), spawn, vfork, system. */
#include <spawn.h>
#include <sys/wait.h>

#include "truth.h"

extern char **environ;

__attribute__((noinline)) void child_allocates(void)
{
	for (int i = 0; i < 10; i++)
		hide(malloc(1000));
}

__attribute__((noinline)) void parent_allocates(void)
{
	for (int i = 0; i < 10; i++)
		hide(malloc(3000));
}

int main(int argc, char **argv)
{
	must(argc >= 2, "an argument");
	if (!strcmp(argv[1], "child")) {
		child_allocates();
		return 0;
	}
	int n = argc > 2 ? atoi(argv[2]) : 1;
	char *arguments[] = { argv[0], "child", NULL };
	char command[4096];

	snprintf(command, sizeof(command), "%s child", argv[0]);
	parent_allocates();
	for (int i = 0; i < n; i++) {
		pid_t pid = 0;
		int status = 0;

		if (!strcmp(argv[1], "system")) {
			must(system(command) == 0, "a command");
			continue;
		} else if (!strcmp(argv[1], "spawn")) {
			must(posix_spawn(&pid, argv[0], NULL, NULL, arguments, environ) == 0, "a child");
		} else if (!strcmp(argv[1], "vfork")) {
			pid = vfork();
			if (pid == 0) {
				execv(argv[0], arguments);
				_exit(127);
			}
		} else {
			pid = fork();
			if (pid == 0 && !strcmp(argv[1], "exec")) {
				execv(argv[0], arguments);
				_exit(127);
			}
			if (pid == 0) {
				child_allocates();
				_exit(0);
			}
		}
		must(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0, "a child");
	}
	return 0;
}
