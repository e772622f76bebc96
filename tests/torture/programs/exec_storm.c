/* Children that burn CPU time under the sampler, then exec: a timer or a pending signal that survives kills the new
 * image.  Arguments: static program, children. */
#include "torture.h"

extern char **environ;

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "burn")) {
		burn(2 * BURN_1MS);
		return 0;
	}
	must(argc > 2);
	char *nothing[] = { NULL };
	char *to_static[] = { argv[1], NULL }, *to_self[] = { argv[0], "burn", NULL };
	for (int i = 0; i < atoi(argv[2]); i++) {
		int status;
		pid_t pid = fork();
		must(pid >= 0);
		if (pid == 0) {
			burn(6 * BURN_1MS + i % 7 * BURN_1MS / 3);
			int is_static = i % 4 < 2 && access(argv[1], X_OK) == 0;
			char **arguments = is_static ? to_static : to_self;
			execve(arguments[0], arguments, i % 2 ? nothing : environ);
			_exit(99);
		}
		must(waitpid(pid, &status, 0) == pid);
		if (status)
			fail("child %d of kind %d: wait status %#x", i, i % 4, status);
	}
	/* An exec that fails must leave everything as it was. */
	must(execve("/nonexistent", nothing, nothing) == -1 && errno == ENOENT);
	burn_cpu_seconds(0.2);
	free(hide(malloc(100)));
	return done();
}
