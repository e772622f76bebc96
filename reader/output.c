/* Where a view goes. */
#include "output.h"

#include <errno.h>
#include <langinfo.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/error.h"

static bool env_is_set(const char *name)
{
	const char *s = getenv(name);
	return s && *s;
}

/* no-color.org: NO_COLOR counts when it is not empty; --color wins over everything. */
static bool wants_color(int color, bool is_terminal)
{
	if (color != LODE_COLOR_AUTO)
		return color == LODE_COLOR_ALWAYS;
	if (env_is_set("NO_COLOR"))
		return false;
	const char *term = getenv("TERM");
	return env_is_set("FORCE_COLOR") || (is_terminal && term && strcmp(term, "dumb"));
}

static unsigned terminal_width(void)
{
	struct winsize w;
	const char *columns = getenv("COLUMNS");
	if (columns && atoi(columns) >= 40)
		return (unsigned)atoi(columns);
	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) && w.ws_col >= 40)
		return w.ws_col;
	return 80;
}

/* The pager gets its own end of a pipe; without one, or when it cannot start, the text goes to the
 * terminal as it is. */
static void start_pager(struct lode_output *out)
{
	const char *pager = getenv("LODE_PAGER") ? getenv("LODE_PAGER") : getenv("PAGER");
	int ends[2];
	if (!pager)
		pager = "less -FRX";
	if (!*pager || !strcmp(pager, "cat") || pipe(ends))
		return;
	fflush(stdout);
	pid_t pid = fork();
	if (pid < 0) {
		close(ends[0]);
		close(ends[1]);
		return;
	}
	if (pid == 0) {
		dup2(ends[0], STDIN_FILENO);
		close(ends[0]);
		close(ends[1]);
		setenv("LESS", "FRX", 0);
		char command[4096];
		snprintf(command, sizeof(command),
			 "command -v %.*s >/dev/null 2>&1 && exec %s || exec cat",
			 (int)strcspn(pager, " "), pager, pager);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	close(ends[0]);
	out->f = fdopen(ends[1], "w");
	out->pager_pid = pid;
}

/* `lode top app.lode -o app.lode` would leave no recording. */
static bool is_recording(const struct lode_view_options *o)
{
	struct stat output, input;
	if (stat(o->output, &output) || !S_ISREG(output.st_mode))
		return false;
	for (size_t i = 0; i < o->files.count; i++)
		if (!stat(o->files.items[i], &input) && input.st_dev == output.st_dev &&
		    input.st_ino == output.st_ino)
			return true;
	return false;
}

int lode_output_open(struct lode_output *out, const struct lode_view_options *o, bool is_text)
{
	*out = (struct lode_output){.f = stdout};
	signal(SIGPIPE, SIG_DFL); /* `lode top FILE | head` ends without a word */
	if (o->output && strcmp(o->output, "-")) {
		if (is_recording(o))
			return lode_error("cannot write '%s': it is the recording that is read; "
					  "choose another name",
					  o->output);
		out->path = o->output;
		out->f = fopen(o->output, "we");
		if (!out->f)
			return lode_error("cannot write '%s': %s", o->output, strerror(errno));
	}
	out->has_utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
	out->is_terminal = is_text && !out->path && isatty(STDOUT_FILENO);
	out->has_color = is_text && wants_color(o->color, out->is_terminal);
	if (out->is_terminal) {
		out->width = terminal_width();
		if (!o->no_pager) {
			signal(SIGPIPE,
			       SIG_IGN); /* a pager that is left early must still be waited for */
			start_pager(out);
		}
	}
	return 0;
}

int lode_output_close(struct lode_output *out)
{
	int error = 0;
	errno = 0;
	if (fflush(out->f) || ferror(out->f))
		error = errno ? errno : EIO;
	if (out->f != stdout && fclose(out->f) && !error)
		error = errno;
	if (out->pager_pid) {
		while (waitpid((pid_t)out->pager_pid, NULL, 0) < 0 && errno == EINTR)
			;
		return 0;
	}
	if (error)
		return lode_error("cannot write %s%s%s: %s", out->path ? "'" : "",
				  out->path ? out->path : "standard output", out->path ? "'" : "",
				  strerror(error));
	return 0;
}

const char *lode_style(const struct lode_output *out, enum lode_style s)
{
	if (!out->has_color)
		return "";
	switch (s) {
	case LODE_STYLE_PLAIN:
		return "\033[0m";
	case LODE_STYLE_TITLE:
		return "\033[1m";
	case LODE_STYLE_HOT:
		return "\033[31m";
	case LODE_STYLE_WARM:
		return "\033[33m";
	case LODE_STYLE_DIM:
		return "\033[2m";
	case LODE_STYLE_GOOD:
		return "\033[32m";
	}
	return "";
}
