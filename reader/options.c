/* The option table of the views and the parser over it.  getopt_long is not used: it guesses
 * abbreviations, and its messages name neither the nearest option nor what to do. */
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/error.h"

const char *const lode_by_words[] = {"function", "line",    "file", "module", "stack",
				     "thread",   "process", "type", "site",   "python-line", NULL};
const char *const lode_sort_words[] = {"self", "total", "count", "name", NULL};
static const char *const measure_words[] = {
#define X(id, word, unit, text) word,
	LODE_MEASURES(X)
#undef X
		NULL};
static const char *const color_words[] = {"auto", "always", "never", NULL};

#define REPORT LODE_FOR_REPORT
#define TOP LODE_FOR_TOP
#define TREE LODE_FOR_TREE
#define FLAME LODE_FOR_FLAME
#define LEAKS LODE_FOR_LEAKS
#define DIFF LODE_FOR_DIFF
#define ANNOTATE LODE_FOR_ANNOTATE
#define STATS LODE_FOR_STATS
#define TIMELINE LODE_FOR_TIMELINE
#define CHECK LODE_FOR_CHECK
#define INFO LODE_FOR_INFO
#define EXPORT LODE_FOR_EXPORT
#define ROWS (TOP | LEAKS | DIFF) /* views that are tables of rows */
#define ANY                                                                   \
	(ROWS | REPORT | TREE | FLAME | ANNOTATE | STATS | TIMELINE | CHECK | \
	 EXPORT)                                   /* views of a profile */
#define PRINTED ((ANY & ~(FLAME | EXPORT)) | INFO) /* views printed as text */

#define FIELD(f) offsetof(struct lode_view_options, f)

const struct lode_option lode_view_option_rows[] = {
	{"measure", 0, LODE_OPTION_WORD, ROWS | REPORT | TREE | FLAME | EXPORT | CHECK, FIELD(measure),
	 "MEASURE", measure_words,
	 "what is counted: cpu, wall, allocated, allocations, live, peak, leaked, temporary"},
	{"by", 0, LODE_OPTION_WORD, ROWS | REPORT, FIELD(by), "WHAT", lode_by_words,
	 "what rows are: function, line, file, module, stack, thread, process, site (Python "
	 "function), python-line"},
	{"sort", 0, LODE_OPTION_WORD, ROWS | REPORT, FIELD(sort), "COLUMN", lode_sort_words,
	 "self, total, count or name"},
	{"limit", 'n', LODE_OPTION_NUMBER, ROWS | REPORT | TREE, FIELD(limit), "N", NULL,
	 "rows shown; 0: all (JSON and CSV show all unless told)"},
	{"format", 'f', LODE_OPTION_TEXT, EXPORT, FIELD(format), "FORMAT", NULL,
	 "the output's format"},
	{"svg", 0, LODE_OPTION_FLAG, FLAME, FIELD(svg), NULL, NULL,
	 "a plain SVG instead of the page"},
	{"title", 0, LODE_OPTION_TEXT, FLAME | EXPORT, FIELD(title), "TEXT", NULL,
	 "the page's title"},
	{"at", 0, LODE_OPTION_TEXT, ANY & ~DIFF, FIELD(load.at), "TIME", NULL,
	 "the moment that `live` means: 10s, 1500ms, 2m, 50%, peak, end, mark:NAME"},
	{"from", 0, LODE_OPTION_TEXT, ANY, FIELD(load.from), "TIME", NULL,
	 "leave out what happened before"},
	{"to", 0, LODE_OPTION_TEXT, ANY, FIELD(load.to), "TIME", NULL,
	 "leave out what happened after"},
	{"pid", 0, LODE_OPTION_LIST, ANY, FIELD(pids), "PID", NULL,
	 "only this process (may be repeated)"},
	{"thread", 0, LODE_OPTION_LIST, ANY, FIELD(threads), "NAME", NULL,
	 "only this thread, by name or id (may be repeated)"},
	{"focus", 0, LODE_OPTION_TEXT, ANY, FIELD(load.focus), "RE", NULL,
	 "only stacks with a frame that matches"},
	{"ignore", 0, LODE_OPTION_TEXT, ANY, FIELD(load.ignore), "RE", NULL,
	 "drop stacks with a frame that matches"},
	{"native", 0, LODE_OPTION_FLAG, ANY, FIELD(load.only_native), NULL, NULL,
	 "native frames only"},
	{"python", 0, LODE_OPTION_FLAG, ANY, FIELD(load.only_python), NULL, NULL,
	 "Python frames only"},
	{"threads", 0, LODE_OPTION_FLAG, TREE | FLAME | EXPORT, FIELD(split_threads), NULL, NULL,
	 "the thread is the root frame"},
	{"no-lines", 0, LODE_OPTION_FLAG, TREE | FLAME | EXPORT | LEAKS, FIELD(no_lines), NULL,
	 NULL, "frames by function: whatever the line, equal functions are one"},
	{"depth", 0, LODE_OPTION_NUMBER, TREE | LEAKS, FIELD(depth), "N", NULL,
	 "frames shown of a stack"},
	{"min-percent", 0, LODE_OPTION_PERCENT, TREE | FLAME | EXPORT, FIELD(min_percent), "P",
	 NULL, "leave out what is smaller than P percent of the total"},
	{"max-peak", 0, LODE_OPTION_BYTES, CHECK, FIELD(max_peak), "BYTES", NULL,
	 "limit of live memory at the peak: 200M"},
	{"max-leak", 0, LODE_OPTION_BYTES, CHECK, FIELD(max_leak), "BYTES", NULL,
	 "limit of what is live at the end"},
	{"max-allocated", 0, LODE_OPTION_BYTES, CHECK, FIELD(max_allocated), "BYTES", NULL,
	 "limit of bytes allocated in all"},
	{"max-allocations", 0, LODE_OPTION_NUMBER, CHECK, FIELD(max_allocations), "N", NULL,
	 "limit of allocations"},
	{"max-cpu", 0, LODE_OPTION_TIME, CHECK, FIELD(max_cpu), "TIME", NULL,
	 "limit of CPU time: 10s, 500ms"},
	{"max-growth", 0, LODE_OPTION_TEXT, CHECK, FIELD(max_growth), "BYTES|P%", NULL,
	 "limit of growth of live memory from --from (default 50%) to the end"},
	{"baseline", 0, LODE_OPTION_TEXT, CHECK, FIELD(baseline), "OLD", NULL,
	 "a recording that this one is held against"},
	{"tolerance", 0, LODE_OPTION_PERCENT, CHECK, FIELD(tolerance), "P", NULL,
	 "how much worse than the baseline is still good (default 5%)"},
	{"exit-code", 0, LODE_OPTION_FLAG, DIFF, FIELD(exit_code), NULL, NULL,
	 "exit with 1 when something grew"},
	{"sysroot", 0, LODE_OPTION_TEXT, ANY, FIELD(load.sysroot), "DIR", NULL,
	 "look for the recorded libraries below DIR"},
	{"json", 0, LODE_OPTION_FLAG, PRINTED, FIELD(json), NULL, NULL,
	 "everything that the view shows, as JSON"},
	{"csv", 0, LODE_OPTION_FLAG, ROWS | ANNOTATE | TIMELINE, FIELD(csv), NULL, NULL,
	 "the rows as comma-separated values"},
	{"color", 0, LODE_OPTION_WORD, PRINTED, FIELD(color), "WHEN", color_words,
	 "auto, always or never (NO_COLOR is honoured)"},
	{"no-pager", 0, LODE_OPTION_FLAG, PRINTED, FIELD(no_pager), NULL, NULL,
	 "do not page on a terminal"},
	{"output", 'o', LODE_OPTION_TEXT, ANY | INFO, FIELD(output), "FILE", NULL,
	 "write to FILE; -: standard output"},
	{0},
};

/* ---- values ---------------------------------------------------------------------------------- */

static int parse_number(const char *s, int64_t *out)
{
	char *end;
	errno = 0;
	long long v = strtoll(s, &end, 10);
	if (!isdigit((unsigned char)*s) || *end || errno)
		return -1;
	*out = v;
	return 0;
}

/* A number, not negative, and the unit behind it. */
static int parse_scaled(const char *s, double *number, const char **unit)
{
	char *end;
	if (!isdigit((unsigned char)*s) && *s != '.')
		return -1;
	*number = strtod(s, &end);
	if (end == s || !(*number >= 0) || *number > 9e18)
		return -1;
	*unit = end;
	return 0;
}

int lode_parse_bytes(const char *s, int64_t *out)
{
	static const struct {
		char letter;
		double factor;
	} units[] = {
		{'B', 1},
		{'K', 1024.0},
		{'M', 1048576.0},
		{'G', 1073741824.0},
		{'T', 1099511627776.0},
	};
	double number;
	const char *unit;
	if (parse_scaled(s, &number, &unit))
		return -1;
	double factor = *unit ? 0 : 1;
	for (size_t i = 0; *unit && i < sizeof(units) / sizeof(*units); i++)
		if (toupper((unsigned char)*unit) == units[i].letter)
			factor = units[i].factor;
	if (*unit && strcasecmp(unit + 1, "") && strcasecmp(unit + 1, "B") &&
	    strcasecmp(unit + 1, "iB"))
		return -1;
	if (factor == 0 || number * factor >= 9.2e18)
		return -1;
	*out = (int64_t)(number * factor);
	return 0;
}

static int parse_time(const char *s, int64_t *out)
{
	static const struct {
		const char *word;
		double ns;
	} units[] = {
		{"", 1e9}, {"s", 1e9},  {"ms", 1e6},   {"us", 1e3},
		{"ns", 1}, {"m", 60e9}, {"min", 60e9}, {"h", 3600e9},
	};
	double number;
	const char *unit;
	if (parse_scaled(s, &number, &unit))
		return -1;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (strcmp(unit, units[i].word) || number * units[i].ns >= 9.2e18)
			continue;
		*out = (int64_t)(number * units[i].ns);
		return 0;
	}
	return -1;
}

int lode_parse_percent(const char *s, double *out)
{
	const char *unit;
	if (parse_scaled(s, out, &unit))
		return -1;
	return strcmp(unit, "") && strcmp(unit, "%") ? -1 : 0;
}

static int parse_word(const char *s, const char *const *words, int *out)
{
	for (int i = 0; words[i]; i++) {
		if (strcmp(s, words[i]))
			continue;
		*out = i;
		return 0;
	}
	return -1;
}

static void add(struct lode_list *list, const char *s)
{
	list->items = lode_realloc(list->items, (list->count + 1) * sizeof(*list->items));
	list->items[list->count++] = s;
}

static int store(const struct lode_option *o, void *into, const char *value)
{
	void *field = (char *)into + o->offset;
	switch ((enum lode_option_kind)o->kind) {
	case LODE_OPTION_FLAG:
		*(bool *)field = true;
		return 0;
	case LODE_OPTION_TEXT:
		*(const char **)field = value;
		return 0;
	case LODE_OPTION_LIST:
		add(field, value);
		return 0;
	case LODE_OPTION_NUMBER:
		return parse_number(value, field);
	case LODE_OPTION_BYTES:
		return lode_parse_bytes(value, field);
	case LODE_OPTION_TIME:
		return parse_time(value, field);
	case LODE_OPTION_PERCENT:
		return lode_parse_percent(value, field);
	case LODE_OPTION_WORD:
		return parse_word(value, o->words, field);
	}
	return -1;
}

/* ---- the parser ------------------------------------------------------------------------------ */

static size_t distance(const char *a, const char *b)
{
	enum { MOST = 32 };
	size_t n = strlen(b), row[MOST + 1];
	if (n > MOST || strlen(a) > MOST)
		return MOST;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);
			diagonal = row[j];
			best = best < row[j] + 1 ? best : row[j] + 1;
			row[j] = best < row[j - 1] + 1 ? best : row[j - 1] + 1;
		}
	}
	return row[n];
}

const char *lode_nearest_word(const char *typed, const char *const *words, size_t count)
{
	const char *best = NULL;
	size_t least = strlen(typed) / 3 + 2;
	for (size_t i = 0; i < count; i++) {
		size_t d = words[i] ? distance(typed, words[i]) : least;
		if (d >= least)
			continue;
		least = d;
		best = words[i];
	}
	return best;
}

static bool is_end(const struct lode_option *o)
{
	return !o->name && !o->letter;
}

struct parser {
	const struct lode_option *rows;
	uint32_t commands;
	void *into;
	const char *command;
	char **argv;
	int argc, i;
};

static int say_unknown(const struct parser *p, const char *name)
{
	enum { MOST = 128 };
	const char *words[MOST] = {"help"};
	size_t n = 1;
	for (const struct lode_option *o = p->rows; !is_end(o) && n < MOST; o++)
		if (o->commands & p->commands && o->name)
			words[n++] = o->name;
	const char *near = lode_nearest_word(name, words, n);
	if (near)
		return lode_error("%s: unknown option '--%s'; did you mean '--%s'?", p->command,
				  name, near);
	return lode_error("%s: unknown option '--%s'; see 'lode %s --help'", p->command, name,
			  p->command);
}

static int say_bad_value(const struct parser *p, const struct lode_option *o, const char *value)
{
	char known[256] = "";
	for (size_t i = 0, n = 0; o->words && o->words[i] && n < sizeof(known); i++)
		n += (size_t)snprintf(known + n, sizeof(known) - n, "%s%s", i ? ", " : "",
				      o->words[i]);
	char name[64];
	if (o->name)
		snprintf(name, sizeof(name), "--%s", o->name);
	else
		snprintf(name, sizeof(name), "-%c", o->letter);
	if (o->words)
		return lode_error("%s: %s does not know '%s'; known: %s", p->command, name, value,
				  known);
	return lode_error("%s: '%s' is no value for %s %s", p->command, value, name, o->argument);
}

/* Stores the value, which is `attached` or the next argument. */
static int take(struct parser *p, const struct lode_option *o, const char *attached)
{
	const char *value = attached;
	if (o->kind != LODE_OPTION_FLAG && !value) {
		if (p->i + 1 >= p->argc)
			return lode_error("%s: '%s' needs a value: %s", p->command, p->argv[p->i],
					  o->argument);
		value = p->argv[++p->i];
	}
	return store(o, p->into, value) ? say_bad_value(p, o, value) : 0;
}

static int take_long(struct parser *p, char *text)
{
	char name[64];
	const char *equals = strchr(text, '=');
	size_t n = equals ? (size_t)(equals - text) : strlen(text);
	snprintf(name, sizeof(name), "%.*s", (int)(n < 63 ? n : 63), text);
	if (!strcmp(name, "help"))
		return 1;
	for (const struct lode_option *o = p->rows; !is_end(o); o++) {
		if (!(o->commands & p->commands) || !o->name || strcmp(o->name, name))
			continue;
		if (o->kind == LODE_OPTION_FLAG && equals)
			return lode_error("%s: '--%s' takes no value", p->command, name);
		return take(p, o, equals ? equals + 1 : NULL);
	}
	return say_unknown(p, name);
}

static int take_letters(struct parser *p, char *text)
{
	for (; *text; text++) {
		const struct lode_option *o = p->rows;
		if (*text == 'h')
			return 1;
		while (!is_end(o) && !(o->commands & p->commands && o->letter == *text))
			o++;
		if (is_end(o))
			return lode_error("%s: unknown option '-%c'; see 'lode %s --help'",
					  p->command, *text, p->command);
		if (o->kind != LODE_OPTION_FLAG)
			return take(p, o, text[1] ? text + 1 : NULL);
		take(p, o, NULL);
	}
	return 0;
}

int lode_options_parse(const struct lode_option *rows, uint32_t commands, void *into, int argc,
		       char **argv, struct lode_list *operands)
{
	struct parser p = {rows, commands, into, argv[0], argv, argc, 1};
	bool only_operands = false;
	for (; p.i < argc; p.i++) {
		char *s = argv[p.i];
		int r = 0;
		if (only_operands || s[0] != '-' || !s[1])
			add(operands, s);
		else if (!strcmp(s, "--"))
			only_operands = true;
		else
			r = s[1] == '-' ? take_long(&p, s + 2) : take_letters(&p, s + 1);
		if (r)
			return r;
	}
	return 0;
}

void lode_options_help(const struct lode_option *rows, uint32_t commands, FILE *f)
{
	for (const struct lode_option *o = rows; !is_end(o); o++) {
		char left[64], letter[8] = "    ";
		if (!(o->commands & commands))
			continue;
		if (o->letter)
			snprintf(letter, sizeof(letter), "-%c%s", o->letter, o->name ? ", " : "");
		snprintf(left, sizeof(left), "%s%s%s%s%s", letter, o->name ? "--" : "",
			 o->name ? o->name : "", o->argument ? " " : "",
			 o->argument ? o->argument : "");
		if (strlen(left) > 26)
			fprintf(f, "  %s\n  %-26s  %s\n", left, "", o->text);
		else
			fprintf(f, "  %-26s  %s\n", left, o->text);
	}
	fprintf(f, "  %-26s  %s\n", "-h, --help", "this text");
}

/* ---- views ----------------------------------------------------------------------------------- */

static int hand_on_lists(struct lode_view_options *o)
{
	o->pid_numbers = lode_alloc_zeroed(o->pids.count + 1, sizeof(*o->pid_numbers));
	for (size_t i = 0; i < o->pids.count; i++)
		if (parse_number(o->pids.items[i], &o->pid_numbers[i]))
			return lode_error("%s: '%s' is no process id", o->command,
					  o->pids.items[i]);
	o->load.files = o->files.items;
	o->load.file_count = o->files.count;
	o->load.pids = o->pid_numbers;
	o->load.pid_count = o->pids.count;
	o->load.threads = o->threads.items;
	o->load.thread_count = o->threads.count;
	o->load.no_lines = o->no_lines;
	o->load.split_threads = o->split_threads || o->by == LODE_BY_THREAD;
	o->load.split_processes = o->by == LODE_BY_PROCESS;
	return 0;
}

int lode_view_options_parse(struct lode_view_options *o, uint32_t command, int argc, char **argv)
{
	*o = (struct lode_view_options){
		.command = argv[0],
		.measure = -1,
		.by = -1,
		.sort = -1,
		.limit = -1,
		.depth = -1,
		.min_percent = -1,
		.max_peak = -1,
		.max_leak = -1,
		.max_allocated = -1,
		.max_allocations = -1,
		.max_cpu = -1,
		.tolerance = 5,
	};
	for (int i = 1; i < argc; i++)
		o->was_dashed |= !strcmp(argv[i], "--");
	int r = lode_options_parse(lode_view_option_rows, command, o, argc, argv, &o->files);
	if (r)
		return r;
	if (o->load.only_native && o->load.only_python)
		return lode_error(
			"%s: --native and --python leave nothing together; give one of them",
			o->command);
	return hand_on_lists(o);
}

void lode_view_options_release(struct lode_view_options *o)
{
	free(o->files.items);
	free(o->pids.items);
	free(o->threads.items);
	free(o->pid_numbers);
}
