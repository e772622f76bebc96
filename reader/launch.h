/* Runs the recorded program as if lode were not there: the same standard streams, signal dispositions and masks,
 * process group, exit status and signal death.  Every signal reaches the program once: what was sent to lode alone is
 * passed on, what a terminal or kill(2) sent to the process group is there already. */
#ifndef LODE_LAUNCH_H
#define LODE_LAUNCH_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

struct lode_launch {
	pid_t pid;
	pid_t witness;          /* a process in the same group that does nothing but keep its signals pending */
	int go, failed;         /* pipes: the log's path to the child; its errno back */
	sigset_t inherited_mask;
	struct sigaction inherited_child_action;
	bool is_over;
	int status; /* as waitpid gives it, once is_over */
};

struct lode_launch_plan {
	char *const *argv;
	const char *agent;   /* liblode.so; NULL: run without it */
	const char *options; /* LODE_OPTIONS */
};

/* Forks.  The child waits: its number may be part of a file's name.  From now on signals are held back in lode.
 * Returns 0, or -1 after a message. */
int lode_launch_fork(struct lode_launch *l, const struct lode_launch_plan *plan);

/* Lets the child go on to the program, with `log` for the agent.  Returns 0, or the errno of execvp. */
int lode_launch_go(struct lode_launch *l, const char *log);

/* Gives the child up before it became the program. */
void lode_launch_cancel(struct lode_launch *l);

/* Waits for a signal or the end of the time, passes signals on.  True when the program is over. */
bool lode_launch_wait(struct lode_launch *l, unsigned milliseconds);

/* Ends lode as the program ended: by the same signal (without a core file), else returns its exit status. */
int lode_launch_end(const struct lode_launch *l);

#endif
