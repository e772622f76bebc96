/* Stacks with every recorded measure, one line each: for spreadsheets and data frames. */
#include <inttypes.h>
#include <stdlib.h>

#include "label.h"
#include "lib/error.h"
#include "lib/escape.h"
#include "out.h"
#include "out_rows.h"

static bool is_empty(const struct lode_profile *p, size_t node)
{
	for (int m = 0; m < LODE_MEASURE_COUNT; m++)
		if (p->self[m] && p->self[m][node])
			return false;
	return true;
}

/* "root;...;leaf", the caller's to free. */
static char *stack_text(const struct lode_profile *p, uint32_t node, bool lines)
{
	char label[2048], *text = NULL;
	size_t size, depth = 0, n = 0;
	for (uint32_t i = node; i; i = p->nodes[i].parent)
		depth++;
	uint32_t *path = lode_alloc((depth + 1) * sizeof(*path));
	for (uint32_t i = node; i; i = p->nodes[i].parent)
		path[depth - ++n] = i;
	FILE *f = open_memstream(&text, &size);
	if (f && !depth)
		fputs(LODE_FRAMELESS, f);
	for (size_t i = 0; f && i < depth; i++) {
		if (i)
			fputc(';', f);
		lode_put_folded(f, lode_frame_label(&p->frames[p->nodes[path[i]].frame], lines,
						    label, sizeof(label)));
	}
	if (f)
		fclose(f);
	free(path);
	return text;
}

int lode_out_csv(const struct lode_profile *p, const struct lode_out_options *o, FILE *f)
{
	fputs("stack", f);
	for (int m = 0; m < LODE_MEASURE_COUNT; m++)
		if (p->self[m])
			fprintf(f, ",%s", lode_measure_words[m]);
	fputc('\n', f);
	for (size_t i = 0; i < p->node_count; i++) {
		if (is_empty(p, i))
			continue;
		char *stack = stack_text(p, (uint32_t)i, o->lines);
		lode_csv_field(f, stack);
		free(stack);
		for (int m = 0; m < LODE_MEASURE_COUNT; m++)
			if (p->self[m])
				fprintf(f, ",%" PRId64, p->self[m][i]);
		fputc('\n', f);
	}
	return 0;
}
