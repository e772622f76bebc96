/* lode: the command table, --help and --version. */
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "lib/error.h"

/* In the order of --help. */
const struct lode_command lode_commands[] = {
	{"record", "-- CMD [ARG...]", "run a program and record where its time and memory go", NULL,
	 0, lode_cmd_record},
	{"report", "FILE...", "what matters, on one page: CPU, memory at the peak, leaks, notices",
	 NULL, LODE_FOR_REPORT, lode_cmd_report},
	{"top", "FILE...", "the functions (lines, files, modules ...) that cost most",
	 "Rows are by function unless --by says otherwise.  The measure is CPU time where\n"
	 "there are samples, else memory at the peak.  count: samples of cpu, allocations of\n"
	 "allocated, blocks of live, peak and leaked.\n",
	 LODE_FOR_TOP, lode_cmd_top},
	{"tree", "FILE...", "the call tree, with self and total",
	 "Shown from 1% of the total unless --min-percent says otherwise; a chain of single\n"
	 "calls keeps its indentation.\n",
	 LODE_FOR_TREE, lode_cmd_tree},
	{"flame", "FILE...", "one offline page: flame graph, timeline, tables", NULL,
	 LODE_FOR_FLAME, lode_cmd_flame},
	{"leaks", "FILE...", "what is still alive at the end (or --at a moment), by stack",
	 "Every block that was allocated in the range and is live at its end, with the stack\n"
	 "that allocated it.  growing: its live bytes rose in most tenths of the time.\n",
	 LODE_FOR_LEAKS, lode_cmd_leaks},
	{"diff", "BEFORE AFTER", "what changed between two recordings, or two moments of one",
	 "A moment is named behind the file: FILE@10s, FILE@50%, FILE@peak, FILE@end,\n"
	 "FILE@mark:NAME; then live memory is compared.  A file whose own name holds '@' is\n"
	 "found first.\n",
	 LODE_FOR_DIFF, lode_cmd_diff},
	{"annotate", "FILE [SOURCE]", "time and memory of every line of a source file",
	 "Without SOURCE: the Python file that costs most.  SOURCE: a path as recorded, or its "
	 "end.\n",
	 LODE_FOR_ANNOTATE, lode_cmd_annotate},
	{"stats", "FILE...", "counts, sizes, allocators, rates, losses", NULL, LODE_FOR_STATS,
	 lode_cmd_stats},
	{"timeline", "FILE...", "memory and CPU over time", NULL, LODE_FOR_TIMELINE,
	 lode_cmd_timeline},
	{"check", "FILE...", "status 1 when a limit is exceeded: for CI",
	 "Example: lode check app.lode --max-peak 200M --max-leak 0 --baseline main.lode "
	 "--tolerance 5%\n",
	 LODE_FOR_CHECK, lode_cmd_check},
	{"info", "FILE...", "header, processes, threads, modules, notices", NULL, LODE_FOR_INFO,
	 lode_cmd_info},
	{"export", "--format FORMAT FILE...", "other tools' formats", NULL, LODE_FOR_EXPORT,
	 lode_cmd_export},
	{"pack", "FILE... [-o OUT]", "compress, merge, make portable", NULL, 0, lode_cmd_pack},
	{0},
};

const struct lode_command *lode_command_find(const char *name)
{
	for (const struct lode_command *c = lode_commands; c->name; c++)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}

void lode_command_help(const struct lode_command *c)
{
	printf("lode %s: %s\n\nusage: lode %s [options] %s\n\n", c->name, c->text, c->name,
	       c->arguments);
	lode_options_help(lode_view_option_rows, c->bit, stdout);
	if (c->more)
		printf("\n%s", c->more);
	if (c->bit == LODE_FOR_EXPORT)
		lode_export_help();
}

static int help(void)
{
	puts("lode: where a program's time and memory go\n\n"
	     "usage: lode record [options] -- CMD [ARG...]     then:  lode report FILE\n"
	     "       lode COMMAND [options] FILE...                   lode COMMAND --help\n");
	for (const struct lode_command *c = lode_commands; c->name; c++)
		printf("  %-10s%s\n", c->name, c->text);
	puts("\n'lode FILE' is 'lode report FILE'.  lode --version prints the version.\n"
	     "Exit status: 0 fine, 1 the answer is \"no\" (check, diff --exit-code), 2 usage, 3 "
	     "unreadable input.");
	return LODE_STATUS_OK;
}

static int say_unknown(const char *word)
{
	enum { MOST = 32 };
	const char *words[MOST];
	size_t n = 0;
	for (; lode_commands[n].name && n < MOST; n++)
		words[n] = lode_commands[n].name;
	const char *near = lode_nearest_word(word, words, n);
	if (*word == '-')
		lode_error("unknown option '%s'; see 'lode --help'", word);
	else if (near)
		lode_error("unknown command '%s'; did you mean '%s'?", word, near);
	else if (strchr(word, '.') || strchr(word, '/'))
		lode_error("cannot read '%s': no such file", word);
	else
		lode_error("unknown command '%s'; see 'lode --help'", word);
	return !near && (strchr(word, '.') || strchr(word, '/')) ? LODE_STATUS_INPUT
								 : LODE_STATUS_USAGE;
}

static int run(int argc, char **argv)
{
	if (argc < 2) {
		lode_error("what shall be done? 'lode record -- CMD' records, 'lode report FILE' "
			   "shows; see 'lode --help'");
		return LODE_STATUS_USAGE;
	}
	const char *word = argv[1];
	const struct lode_command *c = lode_command_find(word);
	if (c)
		return c->run(argc - 1, argv + 1);
	if (!strcmp(word, "--version") || !strcmp(word, "-V") || !strcmp(word, "version")) {
		puts("lode " LODE_VERSION);
		return LODE_STATUS_OK;
	}
	if (!strcmp(word, "--help") || !strcmp(word, "-h"))
		return help();
	if (!strcmp(word, "help")) {
		c = argc > 2 ? lode_command_find(argv[2]) : NULL;
		if (argc > 2 && !c)
			return say_unknown(argv[2]);
		return c ? c->run(2, (char *[]){argv[2], (char[]){"--help"}, NULL}) : help();
	}
	if (*word == '-' || access(word, F_OK))
		return say_unknown(word);
	argv[0] = (char[]){"report"}; /* lode FILE */
	return lode_cmd_report(argc, argv);
}

int main(int argc, char **argv)
{
	setlocale(LC_CTYPE, ""); /* numbers stay as they are in C */
	int status = run(argc, argv);
	if (fflush(stdout) && status == LODE_STATUS_OK)
		return LODE_STATUS_USAGE;
	return status;
}
