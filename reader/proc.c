/* What /proc tells of a process; see proc.h and proc(5). */
#include "proc.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Reads a small file of the process; false when it cannot be had. */
static bool read_file(uint32_t pid, const char *name, char *buf, size_t n)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%u/%s", pid, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t got = read(fd, buf, n - 1);
	close(fd);
	if (got <= 0)
		return false;
	buf[got] = 0;
	return true;
}

uint64_t lode_proc_rss(uint32_t pid)
{
	char text[256];
	unsigned long long size, resident;
	if (!read_file(pid, "statm", text, sizeof text) || sscanf(text, "%llu %llu", &size, &resident) != 2)
		return 0;
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

bool lode_proc_is_gone(uint32_t pid)
{
	char text[1024], state;
	int threads = 0;

	if (pid == 0 || (kill((pid_t)pid, 0) != 0 && errno == ESRCH))
		return true;
	if (!read_file(pid, "stat", text, sizeof text))
		return false;
	/* the name in brackets may hold anything, so fields count from the last bracket: state is field 3, threads 20 */
	const char *rest = strrchr(text, ')');
	if (!rest || sscanf(rest + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %d", &state,
			    &threads) != 2)
		return false;
	/* a leader that left by pthread_exit is a zombie while its threads run on */
	return (state == 'Z' || state == 'X') && threads <= 1;
}

bool lode_proc_is_pending(uint32_t pid, int signal)
{
	char text[4096];
	unsigned long long mask;
	const char *line = read_file(pid, "status", text, sizeof text) ? strstr(text, "\nShdPnd:") : NULL;
	return line && sscanf(line + 8, "%llx", &mask) == 1 && mask >> (signal - 1) & 1;
}

/* The environment is read in pieces that overlap by the variable's length: it may be large. */
static bool has_variable(const char *pid, const char *variable)
{
	char path[300], buf[16384];
	size_t kept = 0, n = strlen(variable) + 1; /* with its NUL */
	bool found = false;
	ssize_t got;

	snprintf(path, sizeof path, "/proc/%s/environ", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || n > sizeof buf / 2) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	while (!found && (got = read(fd, buf + kept, sizeof buf - kept)) > 0) {
		size_t have = kept + (size_t)got;
		found = memmem(buf, have, variable, n);
		kept = have < n - 1 ? have : n - 1;
		memmove(buf, buf + have - kept, kept);
	}
	close(fd);
	return found;
}

bool lode_proc_any_with_variable(const char *variable)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	bool found = false;
	while (d && !found && (e = readdir(d)))
		found = isdigit((unsigned char)e->d_name[0]) && has_variable(e->d_name, variable);
	if (d)
		closedir(d);
	return found;
}
