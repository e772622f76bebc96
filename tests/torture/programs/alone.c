/* What a process with one thread may do and one with two may not, and what it sees of itself. */
#include <dirent.h>
#include <sched.h>
#include <sys/stat.h>

#include "torture.h"

static int entries(const char *path)
{
	int n = 0;
	DIR *directory = opendir(path);
	must(directory);
	while (readdir(directory))
		n++;
	closedir(directory);
	return n - 2;
}

int main(void)
{
	char where[] = "/tmp/lode-alone-XXXXXX";

	burn_cpu_seconds(0.1);
	must(entries("/proc/self/task") == 1);
	must(unshare(CLONE_VM) == 0); /* EINVAL with a second thread */
	must(unshare(CLONE_FILES | CLONE_FS) == 0);
	mode_t mask = umask(022);
	must(umask(mask) == 022);
	must(mkdtemp(where));
	if (getuid() == 0) { /* no /proc, no /tmp, no file by its old name any more */
		must(chroot(where) == 0 && chdir("/") == 0);
		for (int i = 0; i < 400000; i++)
			free(hide(malloc(i % 777)));
		burn_cpu_seconds(0.1);
		pid_t pid = fork();
		if (pid == 0) {
			for (int i = 0; i < 1000; i++)
				free(hide(malloc(i)));
			_exit(0);
		}
		int status;
		must(waitpid(pid, &status, 0) == pid && status == 0);
		must(entries("/") == 0);
	} else {
		rmdir(where);
	}
	return done();
}
