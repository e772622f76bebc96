/* The loaded ELF object that holds the interpreter: its dynamic symbols and the ranges of one function.
 *
 * dlsym is of no use here: it does not see what was loaded RTLD_LOCAL, it gives a non-PIE executable's PLT entry for a
 * function's address, and where it fails it allocates. */
#ifndef LODE_PYTHON_IMAGE_H
#define LODE_PYTHON_IMAGE_H

#include <elf.h>
#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lode_image {
	uintptr_t bias, start, end; /* start..end: hull of its PT_LOADs */
	uintptr_t text_start, text_end;
	uintptr_t eh_frame_hdr;     /* 0: none */
	const ElfW(Sym) *symbols;   /* NULL: nothing can be looked up */
	const char *strings;
	const uint32_t *gnu_hash;
	const char *path;           /* the loader's; "" for the executable */
};

/* Context: inside dl_iterate_phdr, or while the object cannot be unloaded. */
void lode_image_init(struct lode_image *image, const struct dl_phdr_info *info);
/* The run-time address of a symbol that the object defines, 0 if it does not; its size where `bytes` is not NULL. */
uintptr_t lode_image_symbol(const struct lode_image *image, const char *name, size_t *bytes);

struct lode_range {
	uintptr_t start, end;
};

/* The parts of the function at [start, end) that the compiler moved elsewhere (".cold"): found in any build, stripped
 * ones too, as the unwind-table ranges outside the function that its conditional jumps lead into.  Returns how many. */
unsigned lode_image_cold_parts(const struct lode_image *image, struct lode_range hot, struct lode_range *parts,
			       unsigned capacity);

#endif
