/* Python line tables: the line of an instruction, for every format since 3.8. */
#ifndef LODE_PYCODE_H
#define LODE_PYCODE_H

#include <stddef.h>
#include <stdint.h>

/* The line at byte offset `lasti` (-1: not started) of a code object of Python `version` (0x0308 ...); `first_line` where
 * the instruction has none.  Any bytes are safe as a table. */
uint32_t lode_pycode_line(uint32_t version, uint32_t first_line, const uint8_t *table, size_t bytes, int64_t lasti);

#endif
