/* Folded stacks: root first, `;` between frames, a blank, the count.  One line a stack of the
 * profile; equal lines are the reader's to add (flamegraph.pl and speedscope do), but labels that
 * became equal are merged here where they are neighbours. */
#include <inttypes.h>
#include <stdlib.h>

#include "label.h"
#include "lib/error.h"
#include "lib/escape.h"
#include "out.h"
#include "view.h"

/* The path from the root to `node`; returns its length.  The path array holds node_count entries.
 */
static size_t path_to(const struct lode_profile *p, uint32_t node, uint32_t *path)
{
	size_t depth = 0, n = 0;
	for (uint32_t i = node; i; i = p->nodes[i].parent)
		depth++;
	for (uint32_t i = node; i; i = p->nodes[i].parent)
		path[depth - ++n] = i;
	return depth;
}

static void put_stack(const struct lode_profile *p, const struct lode_out_options *o,
		      const uint32_t *path, size_t depth, FILE *f)
{
	char label[2048];
	if (!depth)
		fputs(LODE_FRAMELESS, f);
	for (size_t i = 0; i < depth; i++) {
		const struct lode_frame *frame = &p->frames[p->nodes[path[i]].frame];
		if (i)
			fputc(';', f);
		lode_put_folded(f, lode_frame_label(frame, o->lines, label, sizeof(label)));
	}
}

int lode_out_folded(const struct lode_profile *p, const struct lode_out_options *o, FILE *f)
{
	const int64_t *self = p->self[o->measure];
	if (!self || !p->node_count)
		return 0;
	uint32_t *path = lode_alloc(p->node_count * sizeof(*path));
	for (size_t i = 0; i < p->node_count; i++) {
		if (self[i] <=
		    0) /* what shrank cannot be drawn; a profile has none, a difference has */
			continue;
		size_t depth = path_to(p, (uint32_t)i, path);
		put_stack(p, o, path, depth, f);
		fprintf(f, " %" PRId64 "\n", self[i]);
	}
	free(path);
	return 0;
}
