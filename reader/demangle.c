/* Demangling with libiberty; the one file that includes it.  A mangled name of a hundred bytes can stand for megabytes of
 * text (substitutions may be nested) and names come from files that nobody checked, so the printing is stopped at a limit:
 * libiberty's callback interface keeps all its state on the stack, which makes leaving it by longjmp free of leaks. */
#include "demangle.h"

#include <setjmp.h>
#include <string.h>

#include <libiberty/demangle.h>

#include "lib/error.h"

enum { MANGLED_MAX = 16384, PRINTED_MAX = 16384 };

struct printed {
	jmp_buf too_long;
	size_t length;
	char text[PRINTED_MAX];
};

static void print(const char *s, size_t n, void *opaque)
{
	struct printed *p = opaque;

	if (n >= sizeof(p->text) - p->length)
		longjmp(p->too_long, 1);
	memcpy(p->text + p->length, s, n);
	p->length += n;
}

static int print_demangled(const char *mangled, struct printed *p)
{
	const int options = DMGL_ANSI; /* const and the like; no DMGL_PARAMS */

	if (setjmp(p->too_long))
		return 0;
	if (!strncmp(mangled, "_R", 2) || !strncmp(mangled, "_ZN", 3)) { /* v0; legacy, told from C++ by its hash */
		if (rust_demangle_callback(mangled, options, print, p) && p->length)
			return 1;
		p->length = 0;
	}
	return strncmp(mangled, "_Z", 2) == 0 && cplus_demangle_v3_callback(mangled, options, print, p) && p->length;
}

char *lode_demangle(const char *mangled)
{
	struct printed p;
	char *name;

	if (mangled[0] != '_' || (mangled[1] != 'Z' && mangled[1] != 'R') || strlen(mangled) > MANGLED_MAX)
		return NULL;
	p.length = 0;
	if (!print_demangled(mangled, &p))
		return NULL;
	name = lode_alloc(p.length + 1);
	memcpy(name, p.text, p.length);
	name[p.length] = 0;
	return name;
}
