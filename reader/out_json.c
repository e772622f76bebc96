/* The tree as JSON, flat so that deep stacks do not exhaust a parser's recursion:
 * {"lode", "command", "measures": {word: {"unit", "total"}}, "frames": [{"name", ...}],
 *  "nodes": [{"parent": index or null, "frame": index or null, word: self, ...}]}; zero values are
 * left out, node 0 is the root. */
#include "lib/json.h"
#include "out.h"

static void put_measures(struct lode_json *j, const struct lode_profile *p)
{
	lode_json_key(j, "measures");
	lode_json_open(j, '{');
	for (int m = 0; m < LODE_MEASURE_COUNT; m++) {
		if (!p->self[m])
			continue;
		lode_json_key(j, lode_measure_words[m]);
		lode_json_open(j, '{');
		lode_json_put_text(j, "unit", lode_measure_units[m]);
		lode_json_put_int(j, "total", p->total[m]);
		lode_json_close(j, '}');
	}
	lode_json_close(j, '}');
}

static void put_frames(struct lode_json *j, const struct lode_profile *p)
{
	lode_json_key(j, "frames");
	lode_json_open(j, '[');
	for (size_t i = 0; i < p->frame_count; i++) {
		const struct lode_frame *f = &p->frames[i];
		lode_json_line(j);
		lode_json_open(j, '{');
		lode_json_put_text(j, "name", f->name);
		lode_json_put_text(j, "file", f->file);
		lode_json_put_int(j, "line", f->line);
		lode_json_put_int(j, "first_line", f->first_line);
		lode_json_put_text(j, "module", f->module);
		lode_json_put_text(j, "kind", lode_frame_kind_words[f->kind]);
		lode_json_close(j, '}');
	}
	lode_json_close(j, ']');
}

static void put_nodes(struct lode_json *j, const struct lode_profile *p)
{
	lode_json_key(j, "nodes");
	lode_json_open(j, '[');
	for (size_t i = 0; i < p->node_count; i++) {
		lode_json_line(j);
		lode_json_open(j, '{');
		if (i) {
			lode_json_put_int(j, "parent", p->nodes[i].parent);
			lode_json_put_int(j, "frame", p->nodes[i].frame);
		} else {
			lode_json_put_text(j, "parent", NULL);
			lode_json_put_text(j, "frame", NULL);
		}
		for (int m = 0; m < LODE_MEASURE_COUNT; m++)
			if (p->self[m] && p->self[m][i])
				lode_json_put_int(j, lode_measure_words[m], p->self[m][i]);
		lode_json_close(j, '}');
	}
	lode_json_close(j, ']');
}

int lode_out_json(const struct lode_profile *p, const struct lode_out_options *o, FILE *f)
{
	struct lode_json j;
	lode_json_init(&j, f);
	lode_json_open(&j, '{');
	lode_json_put_text(&j, "lode", LODE_VERSION);
	lode_json_put_text(&j, "command", "export");
	lode_json_put_text(&j, "recording", p->title);
	lode_json_put_text(&j, "measure", lode_measure_words[o->measure]);
	lode_json_put_text(&j, "unit", lode_measure_units[o->measure]);
	lode_json_put_int(&j, "total", p->total[o->measure]);
	lode_json_put_int(&j, "duration_ns", (int64_t)p->duration_ns);
	lode_json_put_int(&j, "lost_events", (int64_t)p->lost_events);
	lode_json_put_int(&j, "lost_samples", (int64_t)p->lost_samples);
	lode_json_line(&j);
	put_measures(&j, p);
	lode_json_line(&j);
	put_frames(&j, p);
	lode_json_line(&j);
	put_nodes(&j, p);
	lode_json_close(&j, '}');
	fputc('\n', f);
	return 0;
}
