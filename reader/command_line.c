/* The command line of `lode record`; see command_line.h. */
#include "command_line.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "lib/error.h"
#include "lode/options.h"
#include "options.h"

#define RECORD 1u /* the only command of this table */
#define RATE_MAX 10000
#define FIELD(f) offsetof(struct lode_record_options, f)

static const char *const clock_words[] = { "cpu", "wall", NULL };
static const char *const native_words[] = { "full", "leaf", "off", NULL };

static const struct lode_option rows[] = {
	{ "output", 'o', LODE_OPTION_TEXT, RECORD, FIELD(output), "FILE", NULL,
	  "write to FILE (default NAME.PID.lode here); %p: process id, %n: name" },
	{ "force", 'f', LODE_OPTION_FLAG, RECORD, FIELD(force), NULL, NULL, "overwrite FILE" },
	{ "rate", 'r', LODE_OPTION_NUMBER, RECORD, FIELD(rate), "HZ", NULL,
	  "CPU samples a second of each thread (default 100; 0: none)" },
	{ "clock", 0, LODE_OPTION_WORD, RECORD, FIELD(clock), "CLOCK", clock_words, "what the sampler counts: cpu" },
	{ "memory", 'M', LODE_OPTION_TEXT, RECORD, FIELD(memory), "MODE", NULL,
	  "full (every allocation, native and Python; default), malloc (native only), sample[=BYTES] or off" },
	{ "native", 0, LODE_OPTION_WORD, RECORD, FIELD(native), "MODE", native_words,
	  "full (every native frame; default), leaf (those above the innermost Python frame) or off" },
	{ "children", 0, LODE_OPTION_FLAG, RECORD, FIELD(children), NULL, NULL,
	  "follow fork, exec and spawn (default): one file for the tree" },
	{ "no-children", 0, LODE_OPTION_FLAG, RECORD, FIELD(no_children), NULL, NULL, "record the first process only" },
	{ "duration", 'd', LODE_OPTION_TIME, RECORD, FIELD(duration_ns), "SEC", NULL,
	  "stop recording after SEC seconds; the program goes on" },
	{ "quiet", 'q', LODE_OPTION_FLAG, RECORD, FIELD(quiet), NULL, NULL, "no summary at the end" },
	{ "force-run", 0, LODE_OPTION_FLAG, RECORD, FIELD(force_run), NULL, NULL,
	  "run even what cannot be profiled (static, musl, 32-bit, set-user-ID, sanitized programs), without the agent" },
	{ "pid", 0, LODE_OPTION_NUMBER, RECORD, FIELD(pid), "PID", NULL, "attach to a process (not in this version)" },
	{ "calls", 0, LODE_OPTION_FLAG, RECORD, FIELD(calls), NULL, NULL, "exact call counts (not in this version)" },
	{ "allocator", 0, LODE_OPTION_TEXT, RECORD, FIELD(allocator), "NAME", NULL,
	  "back the program with another allocator (not in this version)" },
	{ "max-size", 0, LODE_OPTION_BYTES, RECORD, FIELD(max_size), "BYTES", NULL,
	  "bound the recording (not in this version)" },
	{ 0 },
};

/* ---- whose words ------------------------------------------------------------------------- */

static bool is_end(const struct lode_option *o)
{
	return !o->name && !o->letter;
}

/* Words that the option in `word` takes: itself, and a value that stands apart.  Unknown ones: 1, the parser names them. */
static int words_of_option(const char *word)
{
	if (word[1] == '-') {
		for (const struct lode_option *o = rows; !is_end(o); o++)
			if (o->name && !strcmp(o->name, word + 2))
				return o->kind == LODE_OPTION_FLAG ? 1 : 2;
		return 1;
	}
	for (const char *p = word + 1; *p; p++)
		for (const struct lode_option *o = rows; !is_end(o); o++)
			if (o->letter == *p && o->kind != LODE_OPTION_FLAG)
				return p[1] ? 1 : 2;
	return 1;
}

static bool is_python_option(const char *word)
{
	return word[0] == '-' && (word[1] == 'm' || word[1] == 'c');
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);
	return n > m && !strcmp(s + n - m, end);
}

/* The index of the program's first word; *python: it is python3's business.  argc when there is none. */
static int find_command(int argc, char **argv, bool *python)
{
	*python = false;
	for (int i = 1; i < argc;) {
		if (!strcmp(argv[i], "--"))
			return i + 1;
		if (is_python_option(argv[i])) {
			*python = true;
			return i;
		}
		if (argv[i][0] != '-' || !argv[i][1]) {
			*python = ends_with(argv[i], ".py");
			return i;
		}
		i += words_of_option(argv[i]);
	}
	return argc;
}

static void set_command(struct lode_record_options *o, int count, char **words, bool python)
{
	int n = 0;
	o->command = lode_alloc_zeroed((size_t)count + 2, sizeof *o->command);
	if (python)
		o->command[n++] = (char *)(uintptr_t)"python3";
	for (int i = 0; i < count; i++)
		o->command[n++] = words[i];
}

/* ---- the name ---------------------------------------------------------------------------- */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash && slash[1] ? slash + 1 : path;
}

static bool is_python(const char *program)
{
	const char *base = base_name(program);
	return !strncmp(base, "python", 6) || !strncmp(base, "pypy", 4);
}

/* What the interpreter runs, where that can be told: a script, or a module after -m.  NULL: neither. */
static const char *python_script(char *const *argument)
{
	for (; *argument && (*argument)[0] == '-'; argument++) {
		char *const word = *argument;
		if (!strncmp(word, "-m", 2))
			return word[2] ? word + 2 : argument[1];
		if (word[1] == 'c' || !word[1])
			return NULL;
		if ((!strcmp(word, "-W") || !strcmp(word, "-X")) && argument[1])
			argument++;
	}
	return *argument;
}

static void set_name(struct lode_record_options *o)
{
	const char *script = is_python(o->command[0]) ? python_script(o->command + 1) : NULL;
	const char *base = base_name(script ? script : o->command[0]);
	snprintf(o->name, sizeof o->name, "%s", base);
	if (ends_with(o->name, ".py"))
		o->name[strlen(o->name) - 3] = 0;
	for (char *p = o->name; *p; p++)
		if (*p == '/' || iscntrl((unsigned char)*p))
			*p = '_';
}

/* ---- values ------------------------------------------------------------------------------ */

/* "512K", "1M", "524288" */
static bool parse_sample(const char *s, int64_t *bytes)
{
	static const char units[] = "KMG";
	char *end;
	unsigned long long v = strtoull(s, &end, 10);
	const char *unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
	if (!isdigit((unsigned char)*s) || (*end && (!unit || end[1])))
		return false;
	unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
	if (v == 0 || v > UINT64_C(0xffffffff) >> shift)
		return false;
	*bytes = (int64_t)(v << shift);
	return true;
}

static int check_memory(struct lode_record_options *o)
{
	if (!strncmp(o->memory, "sample=", 7)) {
		if (!parse_sample(o->memory + 7, &o->sample_bytes))
			return lode_error("record: '%s' is no number of bytes for --memory=sample; try sample=512K",
					  o->memory + 7);
		o->memory = "sample";
	}
#define X(id, word)                     \
	if (!strcmp(o->memory, word)) \
		return 0;
	LODE_MEMORY_WORDS(X)
#undef X
	return lode_error("record: --memory does not know '%s'; known: full, malloc, sample, off", o->memory);
}

static int not_yet(const char *option, const char *instead)
{
	return lode_error("record: %s is not in this version%s%s", option, *instead ? "; " : "", instead);
}

static int check(struct lode_record_options *o)
{
	if (o->pid >= 0)
		return not_yet("--pid", "start the program with 'lode record -- CMD' instead");
	if (o->clock != 0)
		return not_yet("--clock wall", "waiting is not seen, CPU time (--clock cpu) is");
	if (o->calls)
		return not_yet("--calls", "CPU time by function comes from samples");
	if (o->allocator)
		return not_yet("--allocator", "");
	if (o->max_size >= 0)
		return not_yet("--max-size", "--memory=sample makes recordings small");
	if (o->rate > RATE_MAX)
		return lode_error("record: --rate is at most %d samples a second", RATE_MAX);
	if (o->duration_ns == 0)
		return lode_error("record: --duration must be more than 0");
	if (!o->command)
		return lode_error("record: which program?  lode record [options] -- CMD [ARG...]");
	return check_memory(o);
}

/* ---- the whole --------------------------------------------------------------------------- */

static int help(void)
{
	puts("lode record: run a program and record where its time and memory go\n\n"
	     "usage: lode record [options] -- CMD [ARG...]\n"
	     "       lode record [options] SCRIPT.py [ARG...] | -m MODULE [ARG...] | -c CODE     with python3\n");
	lode_options_help(rows, RECORD, stdout);
	puts("\nThe program's streams, signals and exit status pass through.  A program that cannot be profiled is refused with\n"
	     "status 125 before it starts; 126: it cannot be executed, 127: it was not found.\n"
	     "Without lode record: LD_PRELOAD=/path/liblode.so LODE_OUTPUT=FILE LODE_OPTIONS=rate=100,memory=full CMD");
	return LODE_STATUS_OK;
}

int lode_record_options_parse(struct lode_record_options *o, int argc, char **argv)
{
	struct lode_list none = { 0 };
	bool python;

	*o = (struct lode_record_options){
		.memory = "full", .rate = 100, .pid = -1, .duration_ns = -1, .max_size = -1, .sample_bytes = 524288,
	};
	int command = find_command(argc, argv, &python);
	if (command > argc)
		command = argc;
	if (command < argc) {
		set_command(o, argc - command, argv + command, python);
		set_name(o);
	}
	int r = lode_options_parse(rows, RECORD, o, command, argv, &none);
	free(none.items);
	if (r > 0)
		return help();
	return r < 0 || check(o) < 0 ? LODE_STATUS_USAGE : -1;
}

void lode_record_options_release(struct lode_record_options *o)
{
	free(o->command);
	o->command = NULL;
}

void lode_record_options_words(const struct lode_record_options *o, char *buf, size_t n)
{
	snprintf(buf, n, "rate=%lld,memory=%s,sample=%lld,native=%s,children=%d", (long long)o->rate, o->memory,
		 (long long)o->sample_bytes, native_words[o->native], !o->no_children);
}
