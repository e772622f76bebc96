/* File names as text; no file is looked at. */
#ifndef LODE_PATH_H
#define LODE_PATH_H

#include <stddef.h>
#include <stdint.h>

/* `file`, below `directory` (or NULL) if it is relative, without "//", "/./" and "name/..": one file, one spelling.  (A
 * "name/.." through a symbolic link may lead elsewhere; build trees rarely have that.)  A new string. */
char *lode_path_join(const char *directory, const char *file);

/* ROOT/usr/lib/debug/.build-id/xx/yyyy.debug, as gdb looks for it; -1 if the id is none or does not fit. */
int lode_path_of_debug(char *path, size_t size, const char *root, const uint8_t *id, size_t id_bytes);

#endif
