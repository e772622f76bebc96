/* Where a view goes: a file, a terminal, a pager; and whether in colour. */
#ifndef LODE_OUTPUT_H
#define LODE_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "options.h"

struct lode_output {
	FILE *f;
	const char *path; /* NULL: standard output */
	bool is_terminal; /* people read it (through a pager, perhaps) */
	bool has_color, has_utf8;
	unsigned width;    /* columns; 0: no limit */
	int64_t pager_pid; /* 0: none */
};

/* Opens what -o, --color and the terminal ask for; a pager only for text on a terminal.  An output
 * that is one of the recordings is refused.  Returns 0 or -1 after a message. */
int lode_output_open(struct lode_output *out, const struct lode_view_options *o, bool is_text);
/* Flushes, waits for the pager.  Returns -1 after a message where something could not be written.
 */
int lode_output_close(struct lode_output *out);

enum lode_style {
	LODE_STYLE_PLAIN,
	LODE_STYLE_TITLE,
	LODE_STYLE_HOT,
	LODE_STYLE_WARM,
	LODE_STYLE_DIM,
	LODE_STYLE_GOOD
};
/* The terminal's sequence that begins a style (PLAIN ends it); "" without colour. */
const char *lode_style(const struct lode_output *out, enum lode_style s);

#endif
