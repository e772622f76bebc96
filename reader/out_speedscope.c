/* speedscope's own JSON: one "sampled" profile for each measure, written as it goes.
 *
 * Facts from speedscope's src/lib/file-format-spec.ts: files are recognised by the exact $schema
 * string; units are "nanoseconds", "bytes" or "none" here; samples are root first and as many as
 * weights.  Frames are functions, never lines: its sandwich view would show a function in as many
 * parts as it has lines. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "flame_tree.h"
#include "lib/error.h"
#include "lib/json.h"
#include "out.h"

#define SCHEMA "https://www.speedscope.app/file-format-schema.json"
#define FILE_BYTES_MAX                                                                             \
	(256.0 * 1024 * 1024) /* a browser's tab gives up at about 375 MB (speedscope issue 519)   \
			       */
#define INDEX_BYTES 5.5	      /* of a frame's index and its comma */
#define FOLD_FIRST  1e-6
#define FOLD_STEP   2.0

static const char *unit_of(enum lode_measure m)
{
	if (!strcmp(lode_measure_units[m], "ns"))
		return "nanoseconds";
	return !strcmp(lode_measure_units[m], "bytes") ? "bytes" : "none";
}

static void put_frames(struct lode_json *j, const struct lode_profile *p,
		       const struct lode_flame_tree *t)
{
	lode_json_key(j, "shared");
	lode_json_open(j, '{');
	lode_json_key(j, "frames");
	lode_json_open(j, '[');
	for (size_t i = 0; i < t->function_count; i++) {
		const struct lode_frame *f = &p->frames[t->functions[i]];

		lode_json_line(j);
		lode_json_open(j, '{');
		lode_json_put_text(j, "name", *f->name ? f->name : "(no name)");
		if (f->file || f->module)
			lode_json_put_text(j, "file", f->file ? f->file : f->module);
		if (f->file && f->first_line)
			lode_json_put_int(j, "line", f->first_line);
		lode_json_close(j, '}');
	}
	if (t->folded_count) { /* stands behind the functions: index function_count */
		lode_json_line(j);
		lode_json_open(j, '{');
		lode_json_put_text(j, "name", "(other)");
		lode_json_close(j, '}');
	}
	lode_json_close(j, ']');
	lode_json_close(j, '}');
}

/* What the samples of all measures will take, about. */
static double estimate(const struct lode_flame_tree *t)
{
	uint32_t *depth = lode_alloc_zeroed(t->node_count, sizeof(*depth));
	double indices = 0;

	for (size_t i = 1; i < t->node_count; i++) {
		depth[i] = depth[t->nodes[i].parent] + 1;
		for (int m = 0; m < LODE_MEASURE_COUNT; m++)
			indices += t->self[m] && t->self[m][i] > 0 ? depth[i] : 0;
	}
	free(depth);
	return indices * INDEX_BYTES;
}

/* Folds the smallest nodes until speedscope can open the file, and says so. */
static void fold_within(struct lode_flame_tree *t)
{
	double fraction = FOLD_FIRST;

	if (estimate(t) <= FILE_BYTES_MAX)
		return;
	for (; fraction < 0.01; fraction *= FOLD_STEP) {
		lode_flame_tree_fold(t, fraction, LODE_MEASURE_COUNT);
		if (estimate(t) <= FILE_BYTES_MAX)
			break;
	}
	lode_warn(
		"speedscope opens no file that large: what is below %.2g %% of every measure is folded into \"(other)\"",
		fraction * 100);
}

/* Deepest node, the root being 0. */
static size_t depth_of(const struct lode_flame_tree *t)
{
	uint32_t *depth = lode_alloc_zeroed(t->node_count, sizeof(*depth));
	size_t deepest = 0;

	for (size_t i = 1; i < t->node_count; i++) {
		depth[i] = depth[t->nodes[i].parent] + 1;
		if (depth[i] > deepest)
			deepest = depth[i];
	}
	free(depth);
	return deepest;
}

/* Node 0 has no frame: what has no stack is an empty sample. */
static void put_samples(struct lode_json *j, const struct lode_flame_tree *t, enum lode_measure m,
			uint32_t *stack)
{
	lode_json_key(j, "samples");
	lode_json_open(j, '[');
	for (size_t i = 0; i < t->node_count; i++) {
		size_t depth = 0;

		if (t->self[m][i] <= 0)
			continue;
		for (uint32_t n = (uint32_t)i; n; n = t->nodes[n].parent)
			stack[depth++] = t->nodes[n].function == LODE_FLAME_OTHER
						 ? (uint32_t)t->function_count
						 : t->nodes[n].function;
		lode_json_line(j);
		lode_json_open(j, '[');
		while (depth)
			lode_json_int(j, stack[--depth]);
		lode_json_close(j, ']');
	}
	lode_json_close(j, ']');
	lode_json_key(j, "weights");
	lode_json_open(j, '[');
	for (size_t i = 0; i < t->node_count; i++)
		if (t->self[m][i] > 0)
			lode_json_int(j, t->self[m][i]);
	lode_json_close(j, ']');
}

static int64_t sum_of_weights(const struct lode_flame_tree *t, enum lode_measure m)
{
	int64_t sum = 0;

	for (size_t i = 0; i < t->node_count; i++)
		if (t->self[m][i] > 0)
			sum += t->self[m][i];
	return sum;
}

static void put_profile(struct lode_json *j, const struct lode_flame_tree *t, enum lode_measure m,
			uint32_t *stack)
{
	lode_json_line(j);
	lode_json_open(j, '{');
	lode_json_put_text(j, "type", "sampled");
	lode_json_put_text(j, "name", lode_measure_texts[m]);
	lode_json_put_text(j, "unit", unit_of(m));
	lode_json_put_int(j, "startValue", 0);
	lode_json_put_int(j, "endValue", sum_of_weights(t, m));
	put_samples(j, t, m, stack);
	lode_json_close(j, '}');
}

/* All measures with something in them; the chosen one is the active profile.  Never none: an empty
 * list is no valid file. */
static void put_profiles(struct lode_json *j, const struct lode_profile *p,
			 const struct lode_flame_tree *t, enum lode_measure chosen)
{
	uint32_t *stack = lode_alloc((depth_of(t) + 1) * sizeof(*stack));
	int64_t count = 0, active = 0;

	lode_json_key(j, "profiles");
	lode_json_open(j, '[');
	for (int m = 0; m < LODE_MEASURE_COUNT; m++) {
		if (!lode_flame_has(p, m))
			continue;
		if (m == (int)chosen)
			active = count;
		put_profile(j, t, m, stack);
		count++;
	}
	if (!count && p->self[chosen])
		put_profile(j, t, chosen, stack);
	lode_json_close(j, ']');
	lode_json_put_int(j, "activeProfileIndex", active);
	free(stack);
}

int lode_out_speedscope(const struct lode_profile *p, const struct lode_out_options *o, FILE *f)
{
	struct lode_flame_tree *t = lode_flame_tree_new(p, false);
	struct lode_json j;

	fold_within(t);
	lode_json_init(&j, f);
	lode_json_open(&j, '{');
	lode_json_put_text(&j, "$schema", SCHEMA);
	lode_json_put_text(&j, "exporter", "lode@" LODE_VERSION);
	lode_json_put_text(&j, "name", o->title ? o->title : p->title ? p->title : "recording");
	put_frames(&j, p, t);
	put_profiles(&j, p, t, o->measure);
	lode_json_close(&j, '}');
	fputc('\n', f);
	lode_flame_tree_free(t);
	return ferror(f) ? lode_error("cannot write the speedscope file: the disk may be full") : 0;
}
