/* The table of output formats: a new format is a row here and a file out_NAME.c. */
#include "out.h"

#include <string.h>

const struct lode_out_format lode_out_formats[] = {
	{"folded", ".folded", "stacks for flamegraph.pl and inferno: root;...;leaf count", false,
	 lode_out_folded},
	{"speedscope", ".speedscope.json", "speedscope.app", true, lode_out_speedscope},
	{"pprof", ".pb.gz", "go tool pprof, Perfetto, Pyroscope", true, lode_out_pprof},
	{"csv", ".csv", "stacks with every measure, for spreadsheets", false, lode_out_csv},
	{"json", ".json", "the tree with every measure", false, lode_out_json},
	{"html", ".html", "the page that 'lode flame' writes", true, lode_out_html},
	{"svg", ".svg", "a plain flame graph", false, lode_out_svg},
	{0},
};

const struct lode_out_format *lode_out_format_find(const char *name)
{
	for (const struct lode_out_format *f = lode_out_formats; f->name; f++)
		if (!strcmp(f->name, name))
			return f;
	return NULL;
}
