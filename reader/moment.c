/* Moments.  Contract in moment.h; called by load.c. */
#include "moment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/error.h"
#include "replay.h"

static const struct {
	const char *word;
	double ns;
} units[] = {
	{"s", 1e9},  {"ms", 1e6},   {"us", 1e3},   {"ns", 1},
	{"m", 60e9}, {"min", 60e9}, {"h", 3600e9}, {"", 1e9},
};

/* "10s": ns; "50%": a fraction, is_part.  False: neither. */
static bool parse_number(const char *text, double *value, bool *is_part)
{
	char *end;
	if (!strchr("0123456789.", *text) || !*text)
		return false;
	*value = strtod(text, &end);
	*is_part = !strcmp(end, "%");
	if (end == text || !isfinite(*value))
		return false;
	if (*is_part) {
		*value /= 100;
		return true;
	}
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(end, units[i].word)) {
			*value *= units[i].ns;
			return true;
		}
	return false;
}

bool lode_moment_is(const char *text)
{
	double value;
	bool is_part;
	return !strcmp(text, "peak") || !strcmp(text, "end") || !strcmp(text, "start") ||
	       !strncmp(text, "mark:", 5) || parse_number(text, &value, &is_part);
}

static int find_mark(const char *name, const struct lode_info *info, struct lode_moment *out)
{
	for (size_t i = 0; i < info->mark_count; i++) {
		const struct lode_info_mark *m = &info->marks[i];
		if (strcmp(m->name, name) || m->process == UINT32_MAX)
			continue;
		out->key = lode_replay_key_of_ticks(info, m->process, m->ticks) + 1;
		return 0;
	}
	if (!info->mark_count)
		return lode_error("no mark '%s' in '%s': it has no marks", name, info->path);
	return lode_error("no mark '%s' in '%s': the first of its %zu marks is '%s'", name,
			  info->path, info->mark_count, info->marks[0].name);
}

int lode_moment_find(const char *text, const struct lode_info *info, struct lode_moment *out)
{
	double value;
	bool is_part;
	*out = (struct lode_moment){.kind = LODE_MOMENT_KEY};
	if (!strcmp(text, "peak")) {
		out->kind = LODE_MOMENT_PEAK;
		return 0;
	}
	if (!strcmp(text, "end")) {
		out->key = UINT64_MAX;
		return 0;
	}
	if (!strcmp(text, "start"))
		return 0;
	if (!strncmp(text, "mark:", 5))
		return find_mark(text + 5, info, out);
	if (!parse_number(text, &value, &is_part))
		return lode_error(
			"'%s' is not a moment: write 10s, 1500ms, 2m, 50%%, peak, end or mark:NAME",
			text);
	double ns = is_part ? value * (double)info->duration_ns : value;
	if (ns >= (double)info->duration_ns)
		out->key = UINT64_MAX;
	else
		out->key = lode_replay_key(info, (uint64_t)ns);
	return 0;
}
