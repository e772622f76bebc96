/* What every viewing command does first: options, the recording, the measure. */
#include "cmd.h"

#include <stdlib.h>
#include <string.h>

#include "lib/error.h"
#include "output.h"

int lode_cmd_parse(struct lode_view_options *o, int argc, char **argv, unsigned least,
		   unsigned most)
{
	const struct lode_command *c = lode_command_find(argv[0]);
	int r = lode_view_options_parse(o, c->bit, argc, argv);
	if (r > 0) {
		lode_command_help(c);
		lode_view_options_release(o);
		return LODE_STATUS_OK;
	}
	if (!r && o->files.count < least)
		r = lode_error("%s: no recording is named; usage: lode %s [options] %s", c->name,
			       c->name, c->arguments);
	if (!r && most && o->files.count > most)
		r = lode_error("%s: '%s' is one too many; usage: lode %s [options] %s", c->name,
			       o->files.items[most], c->name, c->arguments);
	if (!r && o->by == LODE_BY_TYPE)
		r = lode_error(
			"%s: --by type: the types of objects are not recorded by this version",
			c->name);
	if (!r)
		return -1;
	lode_view_options_release(o);
	return LODE_STATUS_USAGE;
}

struct lode_profile *lode_cmd_load(const struct lode_view_options *o, int *status)
{
	struct lode_profile *p = NULL;
	switch (lode_load(&o->load, &p)) {
	case LODE_LOAD_OK:
		*status = LODE_STATUS_OK;
		return p;
	case LODE_LOAD_DAMAGED:
		*status = LODE_STATUS_INPUT;
		return p;
	case LODE_LOAD_USAGE:
		*status = LODE_STATUS_USAGE;
		return NULL;
	case LODE_LOAD_NONE:
		*status = LODE_STATUS_NO;
		return NULL;
	case LODE_LOAD_FAILED:
		break;
	}
	*status = LODE_STATUS_INPUT;
	return NULL;
}

enum lode_measure lode_cmd_measure(const struct lode_view_options *o, const struct lode_profile *p)
{
	if (o->measure < 0)
		return p->self[LODE_MEASURE_CPU] && (p->total[LODE_MEASURE_SAMPLES] > 0 ||
						     !p->self[LODE_MEASURE_PEAK])
			       ? LODE_MEASURE_CPU
			       : LODE_MEASURE_PEAK;
	if (!p->self[o->measure])
		lode_warn("%s: %s was not recorded (%s); 'lode record --help' says how", o->command,
			  lode_measure_words[o->measure], lode_measure_texts[o->measure]);
	return (enum lode_measure)o->measure;
}

int lode_cmd_show(struct lode_view_options *o, lode_print *print)
{
	struct lode_output out;
	int status;
	struct lode_profile *p = lode_cmd_load(o, &status);
	if (p && lode_output_open(&out, o, !o->json && !o->csv) == 0) {
		print(p, o, &out);
		if (lode_output_close(&out))
			status = LODE_STATUS_USAGE;
	} else if (p) {
		status = LODE_STATUS_USAGE;
	}
	if (p)
		lode_profile_free(p);
	lode_view_options_release(o);
	return status;
}
