/* fork, exec, wait; see launch.h. */
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/error.h"
#include "lode/options.h"
#include "proc.h"

static const int passed_on[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGCONT, SIGWINCH, SIGALRM };

static sigset_t held_back(void)
{
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof passed_on / sizeof *passed_on; i++)
		sigaddset(&set, passed_on[i]);
	sigaddset(&set, SIGCHLD);
	return set;
}

/* ---- the child ---------------------------------------------------------------------------- */

/* Prepends the agent to what the user preloads, once. */
static int set_preload(const char *agent)
{
	const char *before = getenv("LD_PRELOAD");
	size_t n = strlen(agent);
	if (!before || !*before)
		return setenv("LD_PRELOAD", agent, 1);
	if (!strncmp(before, agent, n) && (before[n] == 0 || before[n] == ':' || before[n] == ' '))
		return 0;
	char *list = NULL;
	if (asprintf(&list, "%s:%s", agent, before) < 0)
		return -1;
	int r = setenv("LD_PRELOAD", list, 1);
	free(list);
	return r;
}

static int set_environment(const struct lode_launch_plan *plan, const char *log)
{
	unsetenv(LODE_ENV_STREAM); /* lode itself may run under another lode */
	if (!plan->agent)
		return 0;
	if (set_preload(plan->agent) != 0 || setenv(LODE_ENV_OUTPUT, log, 1) != 0)
		return -1;
	return setenv(LODE_ENV_OPTIONS, plan->options, 1);
}

static ssize_t read_log_name(int fd, char *buf, size_t n)
{
	size_t used = 0;
	while (used < n) {
		ssize_t got = read(fd, buf + used, n - used);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return -1; /* the recorder gave up */
		used += (size_t)got;
		if (buf[used - 1] == 0)
			return (ssize_t)used;
	}
	return -1;
}

static _Noreturn void become_program(const struct lode_launch *l, const struct lode_launch_plan *plan, int go,
				     int failed)
{
	char log[4096 + 64];
	int error;

	if (read_log_name(go, log, sizeof log) < 0)
		_exit(125);
	if (set_environment(plan, log) == 0) {
		sigaction(SIGCHLD, &l->inherited_child_action, NULL);
		sigprocmask(SIG_SETMASK, &l->inherited_mask, NULL);
		execvp(plan->argv[0], plan->argv);
	}
	error = errno;
	while (write(failed, &error, sizeof error) < 0 && errno == EINTR)
		continue;
	_exit(127);
}

/* ---- the witness -------------------------------------------------------------------------- */

/* kill(2) does not tell its receiver whether the whole process group was meant.  A process of the group that blocks
 * everything shows it: what is pending there went to all, the program included, and must not be passed on once more. */
static void call_witness(struct lode_launch *l)
{
	pid_t lode = getpid();
	l->witness = fork();
	if (l->witness != 0)
		return;
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close_range(0, ~0u, 0); /* a reader of our output waits for its end, not for this process */
	while (getppid() == lode)
		pause();
	_exit(0);
}

static void dismiss_witness(struct lode_launch *l)
{
	if (l->witness <= 0)
		return;
	kill(l->witness, SIGKILL);
	waitpid(l->witness, NULL, 0);
	l->witness = 0;
}

static bool went_to_group(struct lode_launch *l, int sig)
{
	if (l->witness <= 0)
		return false;
	usleep(1000); /* the kernel goes through the group one by one */
	if (!lode_proc_is_pending((uint32_t)l->witness, sig))
		return false;
	dismiss_witness(l); /* the next one starts with nothing pending */
	call_witness(l);
	return true;
}

/* ---- the parent --------------------------------------------------------------------------- */

static int make_pipe(int ends[2])
{
	int raw[2];
	if (pipe2(raw, O_CLOEXEC) != 0)
		return -1;
	for (int i = 0; i < 2; i++) { /* standard streams that were closed stay closed for the program */
		ends[i] = fcntl(raw[i], F_DUPFD_CLOEXEC, 3);
		close(raw[i]);
	}
	return ends[0] < 0 || ends[1] < 0 ? -1 : 0;
}

int lode_launch_fork(struct lode_launch *l, const struct lode_launch_plan *plan)
{
	int go[2], failed[2];
	sigset_t set = held_back();
	struct sigaction by_default = { .sa_handler = SIG_DFL };

	*l = (struct lode_launch){ .pid = -1 };
	if (make_pipe(go) != 0 || make_pipe(failed) != 0)
		return lode_error("cannot make a pipe: %s", strerror(errno));
	sigprocmask(SIG_BLOCK, &set, &l->inherited_mask);
	/* with an ignored SIGCHLD there would be no status to wait for */
	sigaction(SIGCHLD, &by_default, &l->inherited_child_action);

	fflush(NULL);
	l->pid = fork();
	if (l->pid < 0)
		return lode_error("cannot start a process: %s", strerror(errno));
	if (l->pid == 0) {
		close(go[1]);
		close(failed[0]);
		become_program(l, plan, go[0], failed[1]);
	}
	close(go[0]);
	close(failed[1]);
	l->go = go[1];
	l->failed = failed[0];
	call_witness(l);
	/* from here on a closed terminal or a full quota must not end the recorder: the program's status counts */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	return 0;
}

int lode_launch_go(struct lode_launch *l, const char *log)
{
	int error = 0;
	size_t n = strlen(log) + 1;
	ssize_t got;

	if (write(l->go, log, n) != (ssize_t)n)
		error = errno;
	close(l->go);
	do
		got = read(l->failed, &error, sizeof error);
	while (got < 0 && errno == EINTR);
	close(l->failed);
	if (error) {
		waitpid(l->pid, NULL, 0);
		dismiss_witness(l);
	}
	return error;
}

void lode_launch_cancel(struct lode_launch *l)
{
	close(l->go);
	close(l->failed);
	waitpid(l->pid, NULL, 0);
	dismiss_witness(l);
}

/* Stops with the program when a terminal's job control stopped it, so that the shell sees its job stopped.  A plain
 * SIGSTOP is somebody's business with the program alone: who sent it will not wake lode. */
static void stop_too(int sig)
{
	sigset_t one;
	if (sig != SIGTSTP && sig != SIGTTIN && sig != SIGTTOU)
		return;
	sigemptyset(&one);
	sigaddset(&one, sig);
	sigprocmask(SIG_UNBLOCK, &one, NULL);
	raise(sig);
}

static void look_at_child(struct lode_launch *l)
{
	int status;
	while (waitpid(l->pid, &status, WNOHANG | WUNTRACED) == l->pid) {
		if (WIFSTOPPED(status)) {
			stop_too(WSTOPSIG(status));
			continue;
		}
		l->is_over = true;
		l->status = status;
		dismiss_witness(l);
		return;
	}
}

bool lode_launch_wait(struct lode_launch *l, unsigned milliseconds)
{
	struct timespec t = { milliseconds / 1000, (long)(milliseconds % 1000) * 1000000 };
	sigset_t set = held_back();
	siginfo_t info;

	int sig = sigtimedwait(&set, &info, &t);
	/* si_code > 0: the kernel's, for a terminal, which means the group */
	if (sig > 0 && sig != SIGCHLD && info.si_code <= 0 && !l->is_over && !went_to_group(l, sig))
		kill(l->pid, sig);
	if (!l->is_over)
		look_at_child(l);
	return l->is_over;
}

int lode_launch_end(const struct lode_launch *l)
{
	if (!WIFSIGNALED(l->status))
		return WEXITSTATUS(l->status);

	int sig = WTERMSIG(l->status);
	struct rlimit none = { 0, 0 };
	sigset_t one;
	setrlimit(RLIMIT_CORE, &none); /* the program left its own, if it was to */
	signal(sig, SIG_DFL);
	sigemptyset(&one);
	sigaddset(&one, sig);
	sigprocmask(SIG_UNBLOCK, &one, NULL);
	raise(sig);
	return 128 + sig; /* process 1 of a container is spared by its own signals */
}
