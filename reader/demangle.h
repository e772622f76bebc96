/* Names of C++ and Rust functions as their authors wrote them, without parameter lists: `std::vector<int>::push_back`. */
#ifndef LODE_DEMANGLE_H
#define LODE_DEMANGLE_H

/* A new string (free() it), or NULL if `mangled` is not a mangled name or too much to print.  Any bytes are safe. */
char *lode_demangle(const char *mangled);

#endif
