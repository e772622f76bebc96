/* UTF-8 from the interpreter's strings, without its help: two at a time, as a code object needs them. */
#ifndef LODE_PYTHON_UTF8_H
#define LODE_PYTHON_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event.h"

struct lode_utf8_source {
	const void *data;
	size_t length; /* code points */
	uint32_t kind; /* bytes of each: 1, 2, 4 */
	bool is_ascii;
};

struct lode_utf8 {
	struct lode_event_bytes first, second;
	int buffer; /* -1: none is held */
};

#define LODE_UTF8_MAX 1024u /* bytes of a text; longer ones are cut */

/* ASCII is given in place; other text in a buffer of a small static pool.  Lone surrogates become their three bytes, as
 * in WTF-8: file names that are not UTF-8 have them.  False when all buffers are held: try again later.
 * Context: any thread, any signal. */
bool lode_utf8_begin(struct lode_utf8 *u, const struct lode_utf8_source *first, const struct lode_utf8_source *second);
void lode_utf8_end(struct lode_utf8 *u);
/* Context: after fork in the child. */
void lode_utf8_fork_child(void);

#endif
