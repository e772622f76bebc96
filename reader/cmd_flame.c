/* lode flame: the offline page, or with --svg a plain picture. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cmd.h"
#include "lib/error.h"
#include "lib/escape.h"
#include "out.h"
#include "out_text.h"

/* NAME.html of dir/NAME.lode or NAME.lode@MOMENT, in the current directory; the caller's to free.
 */
static char *default_path(const char *recording, const char *suffix)
{
	const char *slash = strrchr(recording, '/'), *base = slash ? slash + 1 : recording;
	const char *ending = strstr(base, ".lode");
	size_t n =
		ending && (!ending[5] || ending[5] == '@') ? (size_t)(ending - base) : strlen(base);
	size_t size = n + strlen(suffix) + 1;
	char *path = lode_alloc(size);

	snprintf(path, size, "%.*s%s", (int)n, base, suffix);
	return path;
}

/* What was written, for people; data may be on standard output. */
static void say_written(const char *path)
{
	char size[LODE_UNIT_MAX];
	struct stat st;

	if (stat(path, &st) || !S_ISREG(st.st_mode))
		return;
	fputs("lode: wrote ", stderr);
	lode_put_text(stderr, path);
	fprintf(stderr, " (%s)\n", lode_format_bytes(size, st.st_size));
}

static int draw(const struct lode_profile *p, const struct lode_view_options *o, FILE *f)
{
	struct lode_out_options options = {
		.measure = lode_cmd_measure(o, p),
		.threads = o->split_threads,
		.title = o->title ? o->title : p->title,
		.min_fraction = o->min_percent < 0 ? 0 : o->min_percent / 100,
	};

	return o->svg ? lode_out_svg(p, &options, f) : lode_out_html(p, &options, f);
}

static int flame(struct lode_view_options *o)
{
	struct lode_output out;
	char *path = NULL;
	int status, failed;
	struct lode_profile *p = lode_cmd_load(o, &status);

	if (!p)
		return status;
	if (!o->output)
		o->output = path = default_path(o->files.items[0], o->svg ? ".svg" : ".html");
	failed = lode_output_open(&out, o, false);
	if (!failed) {
		failed = draw(p, o, out.f);
		failed |= lode_output_close(&out);
	}
	if (failed)
		status = LODE_STATUS_USAGE;
	else if (strcmp(o->output, "-"))
		say_written(o->output);
	free(path);
	lode_profile_free(p);
	return status;
}

int lode_cmd_flame(int argc, char **argv)
{
	struct lode_view_options o;
	int status = lode_cmd_parse(&o, argc, argv, 1, 0);

	if (status >= 0)
		return status;
	o.load.want_timeline = !o.svg;
	status = flame(&o);
	lode_view_options_release(&o);
	return status;
}
