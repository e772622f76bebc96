/* Closes every descriptor, puts its own file over all of them, allocates for a while and looks whether a byte of
 * somebody else came into the file. */
#include <dirent.h>
#include <fcntl.h>

#include "torture.h"

static int open_descriptors(void)
{
	int n = 0;
	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}

static void allocate(int rounds)
{
	for (int i = 0; i < rounds; i++)
		free(hide(malloc(i % 5000)));
}

static void *allocates(void *unused)
{
	(void)unused;
	allocate(300000);
	burn(20 * BURN_1MS);
	return NULL;
}

int main(void)
{
	char name[] = "/tmp/lode-close-all-XXXXXX";
	char text[1024], line[64];
	size_t size = 0;

	allocate(1000);
	for (int fd = 3; fd < 256; fd++)
		close(fd);
	must(open_descriptors() == 3);
	int file = mkstemp(name);
	must(file == 3);
	unlink(name);
	for (int fd = 4; fd < 256; fd++)
		must(dup2(file, fd) == fd);
	pthread_t thread = start(allocates, NULL);
	for (int i = 0; i < 20; i++) {
		int n = snprintf(line, sizeof(line), "line %d\n", i);
		must(write(3 + i * 10, line, n) == n);
		size += n;
		allocate(20000);
	}
	pthread_join(thread, NULL);
	pid_t pid = fork();
	if (pid == 0) {
		allocate(50000);
		_exit(0);
	}
	must(waitpid(pid, NULL, 0) == pid);
	must(open_descriptors() == 256);
	off_t end = lseek(file, 0, SEEK_END);
	if ((size_t)end != size)
		fail("%lld bytes in the file, %zu are ours", (long long)end, size);
	must(pread(file, text, sizeof(text), 0) == end);
	char *at = text;
	for (int i = 0; i < 20; i++) {
		int n = snprintf(line, sizeof(line), "line %d\n", i);
		if (memcmp(at, line, n))
			fail("line %d is not ours", i);
		at += n;
	}
	closefrom(3);
	must(open_descriptors() == 3);
	allocate(300000);
	must(open_descriptors() == 3);
	return done();
}
