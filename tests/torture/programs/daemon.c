/* Becomes a daemon in the old way, works, and reports through a file; the first process waits for it. */
#include <fcntl.h>
#include <sys/stat.h>

#include "torture.h"

int main(void)
{
	int pipes[2];
	char byte = 0;

	must(pipe(pipes) == 0);
	if (fork() == 0) {
		setsid();
		if (fork())
			_exit(0);
		must(chdir("/") == 0);
		umask(0);
		int keep = dup2(pipes[1], 0);
		for (int fd = 1; fd < 256; fd++)
			close(fd);
		for (int i = 0; i < 100000; i++)
			free(hide(malloc(i % 999)));
		burn(20 * BURN_1MS);
		if (write(keep, "d", 1) != 1)
			_exit(1);
		_exit(0);
	}
	close(pipes[1]);
	must(wait(NULL) > 0);
	must(read(pipes[0], &byte, 1) == 1 && byte == 'd');
	return done();
}
