/* File names as text; no file is looked at. */
#ifndef LODE_PATH_H
#define LODE_PATH_H

/* `file`, below `directory` (or NULL) if it is relative, without "//", "/./" and "name/..": one file, one spelling.  (A
 * "name/.." through a symbolic link may lead elsewhere; build trees rarely have that.)  A new string. */
char *lode_path_join(const char *directory, const char *file);

#endif
