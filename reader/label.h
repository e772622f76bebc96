/* How a frame is called wherever people read it, and in the text formats. */
#ifndef LODE_LABEL_H
#define LODE_LABEL_H

#include <stdbool.h>
#include <stddef.h>

#include "profile.h"

/* `qualname (file.py:line)`, `function (file.c:line)`, `function (library)`.  Without `with_line` the definition's first
 * line is used for Python and none for native.  Writes into buf, cuts (never inside a character), terminates; returns buf,
 * "" where n is 0.  Raw bytes: escape on output. */
const char *lode_frame_label(const struct lode_frame *f, bool with_line, char *buf, size_t n);

#endif
