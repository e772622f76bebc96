/* The commands: one file each, one table (main.c).  A command gets its own name as argv[0] and
 * returns the process's exit status; it has said why on standard error when that is not 0. */
#ifndef LODE_CMD_H
#define LODE_CMD_H

#include <stdbool.h>
#include <stdint.h>

#include "options.h"
#include "profile.h"

struct lode_output; /* output.h */

enum lode_status {
	LODE_STATUS_OK = 0,
	LODE_STATUS_NO = 1,    /* the answer is "no": check, diff --exit-code, --pid of none */
	LODE_STATUS_USAGE = 2, /* the command line, or an output that cannot be written */
	LODE_STATUS_INPUT = 3, /* unreadable input; what could be recovered is still shown */
};

struct lode_command {
	const char *name;
	const char *arguments; /* as in the usage line: "FILE..." */
	const char *text;      /* one line */
	const char *more;      /* what --help says below the options, or NULL */
	uint32_t bit; /* enum lode_command_bit: its rows of the option table; 0: it parses and helps
			 itself */
	int (*run)(int argc, char **argv);
};

/* The table, ended by a row whose name is NULL. */
extern const struct lode_command lode_commands[];
const struct lode_command *lode_command_find(const char *name); /* NULL: none */
void lode_command_help(const struct lode_command *c);           /* on standard output */

int lode_cmd_record(int argc, char **argv);
int lode_cmd_pack(int argc, char **argv);
int lode_cmd_report(int argc, char **argv);
int lode_cmd_top(int argc, char **argv);
int lode_cmd_tree(int argc, char **argv);
int lode_cmd_flame(int argc, char **argv);
int lode_cmd_leaks(int argc, char **argv);
int lode_cmd_diff(int argc, char **argv);
int lode_cmd_annotate(int argc, char **argv);
int lode_cmd_stats(int argc, char **argv);
int lode_cmd_timeline(int argc, char **argv);
int lode_cmd_check(int argc, char **argv);
int lode_cmd_info(int argc, char **argv);
int lode_cmd_export(int argc, char **argv);
void lode_export_help(void); /* the formats, for --help */

/* ---- what every viewing command does first (cmd.c) ------------------------------------------- */

/* Parses the command's options into *o (initialised here).  Returns -1 to go on, else the exit
 * status: help was printed, or a message. `least` and `most`: how many FILE operands (most 0: any
 * number). */
int lode_cmd_parse(struct lode_view_options *o, int argc, char **argv, unsigned least,
		   unsigned most);

/* Loads what the options say.  NULL: *status is the exit status, the message is out.  Else *status
 * is 0, or 3 for a damaged recording.  The caller frees the profile. */
struct lode_profile *lode_cmd_load(const struct lode_view_options *o, int *status);

/* The measure asked for, or the view's default: CPU where there are samples, else the peak. Says so
 * on standard error when the one asked for was not recorded. */
enum lode_measure lode_cmd_measure(const struct lode_view_options *o, const struct lode_profile *p);

/* The rest of a view that prints one profile: loads, opens the output, prints, closes, releases *o.
 * Returns the exit status. */
typedef void lode_print(const struct lode_profile *p, const struct lode_view_options *o,
			const struct lode_output *out);
int lode_cmd_show(struct lode_view_options *o, lode_print *print);

#endif
