/* lode export: a profile in another tool's format. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "lib/error.h"
#include "out.h"
#include "output.h"

void lode_export_help(void)
{
	puts("\nFormats (text goes to standard output, the others to NAME.SUFFIX, unless -o says "
	     "otherwise):");
	for (const struct lode_out_format *f = lode_out_formats; f->name; f++)
		printf("  %-12s  %s\n", f->name, f->text);
}

static int say_unknown(const char *name)
{
	enum { MOST = 32 };
	const char *words[MOST];
	char known[512] = "";
	size_t n = 0, used = 0;
	for (; lode_out_formats[n].name && n < MOST; n++) {
		words[n] = lode_out_formats[n].name;
		if (used < sizeof(known))
			used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s",
						 n ? ", " : "", words[n]);
	}
	const char *near = name ? lode_nearest_word(name, words, n) : NULL;
	if (!name)
		return lode_error("export: which format? --format FORMAT; known: %s", known);
	if (near)
		return lode_error("export: unknown format '%s'; did you mean '%s'? known: %s", name,
				  near, known);
	return lode_error("export: unknown format '%s'; known: %s", name, known);
}

/* The first recording's name without .lode (and @MOMENT), and the suffix; in the current directory.
 */
static char *default_path(const char *recording, const char *suffix)
{
	const char *base = strrchr(recording, '/');
	base = base ? base + 1 : recording;
	size_t n = strlen(base);
	if (n > 5 && !strcmp(base + n - 5, ".lode"))
		n -= 5;
	size_t size = n + strlen(suffix) + 1;
	char *path = lode_alloc(size);
	snprintf(path, size, "%.*s%s", (int)n, base, suffix);
	return path;
}

static int write_profile(const struct lode_profile *p, const struct lode_view_options *o,
			 const struct lode_out_format *format, const struct lode_output *out)
{
	struct lode_out_options options = {
		.measure = lode_cmd_measure(o, p),
		.lines = !o->no_lines,
		.threads = o->split_threads,
		.title = o->title ? o->title : p->title,
		.min_fraction = o->min_percent > 0 ? o->min_percent / 100 : 0,
	};
	if (format->is_binary && !out->path && isatty(STDOUT_FILENO))
		return lode_error("export: %s is not for a terminal; name a file with -o",
				  format->name);
	return format->write(p, &options, out->f);
}

static int export(struct lode_view_options *o, const struct lode_out_format *format)
{
	struct lode_output out;
	char *path = NULL;
	int status;
	struct lode_profile *p = lode_cmd_load(o, &status);
	if (!p)
		return status;
	if (!o->output && format->is_binary)
		o->output = path = default_path(o->files.items[0], format->suffix);
	if (lode_output_open(&out, o, false)) {
		status = LODE_STATUS_USAGE;
	} else {
		int failed = write_profile(p, o, format, &out);
		if (lode_output_close(&out) || failed)
			status = LODE_STATUS_USAGE;
		else if (path)
			fprintf(stderr, "lode: wrote %s\n", path);
	}
	free(path);
	lode_profile_free(p);
	return status;
}

int lode_cmd_export(int argc, char **argv)
{
	struct lode_view_options o;
	int status = lode_cmd_parse(&o, argc, argv, 1, 0);
	if (status >= 0)
		return status;
	const struct lode_out_format *format = o.format ? lode_out_format_find(o.format) : NULL;
	if (format) {
		o.load.want_timeline = !strcmp(format->name, "html");
		status = export(&o, format);
	} else {
		say_unknown(o.format);
		status = LODE_STATUS_USAGE;
	}
	lode_view_options_release(&o);
	return status;
}
