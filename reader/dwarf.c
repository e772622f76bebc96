/* ELF and DWARF with elfutils.  Its convenience look-ups are not used: measured, dwfl_module_addrinfo costs 0.3-1.8 ms an
 * address (linear in the symbols), dwarf_getscopes 0.2-2.3 ms and finds no function for half of an LTO build's code;
 * dwfl_report_offline moves an ET_DYN file by 0x10000.  Parsing is sound and fast: a walk over all DIEs of libpython takes
 * 0.1 s.
 *
 * Files are mapped privately and writable, so that the section headers of debug data nobody asks for here (variable
 * locations, macros) can be blanked: dwarf_begin_elf inflates every compressed section that it sees.  What the DWARF says
 * is not trusted: steps are bounded, ranges must lie in code sections. */
#include "dwarf_file.h" /* not dwarf.h: that is elfutils' */

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwelf.h>
#include <elfutils/libdwfl.h>
#include <gelf.h>

#include "lib/error.h"
#include "lib/path.h"
#include "lib/zip.h"
#include "plt.h"
#include "symindex.h"

/* ---- files --------------------------------------------------------------------------------------- */
struct image {
	void *map;
	size_t bytes;
	Elf *elf; /* NULL: not open */
	char *path;
};

struct range {
	uint64_t lo, hi; /* [lo, hi) */
};

struct unit {
	Dwarf_Die die; /* of the unit; for a skeleton, the one that has ranges and lines */
	Dwarf_Die code; /* where its functions are: the same, or the .dwo file's */
	size_t bytes; /* its length, more or less: no tree of it has more entries */
};

struct lode_dwarf {
	struct image file, debug, alt;
	char *sysroot;
	struct range *code;
	size_t n_code;
	Dwarf *dwarf, *alt_dwarf;
	struct unit *units;
	size_t n_units;
	int is_dwarf_tried;
};

static void image_close(struct image *im)
{
	if (im->elf)
		elf_end(im->elf);
	if (im->map)
		munmap(im->map, im->bytes);
	free(im->path);
	memset(im, 0, sizeof(*im));
}

/* Takes over the mapping. */
static int image_parse(struct image *im, void *map, size_t bytes, const char *path)
{
	GElf_Ehdr header;

	elf_version(EV_CURRENT);
	im->map = map;
	im->bytes = bytes;
	im->path = lode_copy_string(path);
	im->elf = elf_memory(map, bytes);
	if (im->elf && elf_kind(im->elf) == ELF_K_ELF && gelf_getehdr(im->elf, &header))
		return 0;
	image_close(im);
	errno = ENOEXEC;
	return -1;
}

static int image_open(struct image *im, const char *path)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	void *map;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof(Elf32_Ehdr)) {
		close(fd);
		errno = ENOEXEC;
		return -1;
	}
	map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	close(fd);
	return map == MAP_FAILED ? -1 : image_parse(im, map, (size_t)st.st_size, path);
}

static int image_has_build_id(const struct image *im, const void *build_id, size_t bytes)
{
	const void *own;
	const ssize_t n = dwelf_elf_gnu_build_id(im->elf, &own);
	return n > 0 && (size_t)n == bytes && memcmp(own, build_id, bytes) == 0;
}

/* The section's data are in this file (a stripped file has none, a debug file none of the program's). */
static Elf_Scn *section_named(const struct image *im, const char *name)
{
	size_t names;
	GElf_Shdr h;

	if (!im->elf || elf_getshdrstrndx(im->elf, &names))
		return NULL;
	for (Elf_Scn *s = NULL; (s = elf_nextscn(im->elf, s));) {
		const char *n = gelf_getshdr(s, &h) ? elf_strptr(im->elf, names, h.sh_name) : NULL;

		if (n && !strcmp(n, name) && h.sh_type != SHT_NOBITS)
			return s;
	}
	return NULL;
}

const void *lode_dwarf_section(struct lode_dwarf *d, const char *name, uint64_t *address, size_t *bytes)
{
	Elf_Scn *s = section_named(&d->file, name);
	Elf_Data *data = s ? elf_rawdata(s, NULL) : NULL;
	GElf_Shdr h;

	if (!data || !gelf_getshdr(s, &h))
		return NULL;
	*address = h.sh_addr;
	*bytes = data->d_size;
	return data->d_buf;
}

static int has_dwarf(const struct image *im)
{
	return section_named(im, ".debug_info") || section_named(im, ".zdebug_info");
}

/* ---- separate debug files ------------------------------------------------------------------------ */
static int open_by_build_id(struct image *im, const char *root, const uint8_t *id, size_t bytes)
{
	char path[PATH_MAX];

	if (lode_path_of_debug(path, sizeof(path), root, id, bytes) || image_open(im, path))
		return -1;
	if (image_has_build_id(im, id, bytes))
		return 0;
	image_close(im);
	return -1;
}

/* Below the sysroot, then on this machine: the build-id says that it is the right file. */
static int open_debug_by_id(struct lode_dwarf *d, struct image *im, const void *id, size_t bytes)
{
	if (d->sysroot && !open_by_build_id(im, d->sysroot, id, bytes))
		return 0;
	return open_by_build_id(im, "", id, bytes);
}

static int is_debug_of(const struct image *debug, const struct image *file, GElf_Word crc)
{
	const void *id;
	const ssize_t n = dwelf_elf_gnu_build_id(file->elf, &id);

	if (n > 0)
		return image_has_build_id(debug, id, (size_t)n);
	return lode_crc32(0, debug->map, debug->bytes) == crc; /* the polynomial is the same */
}

static int open_by_debuglink(struct lode_dwarf *d)
{
	GElf_Word crc;
	const char *name = dwelf_elf_gnu_debuglink(d->file.elf, &crc);
	char *copy = lode_copy_string(d->file.path);
	const char *dir = dirname(copy), *inner = dir;
	const size_t root = d->sysroot ? strlen(d->sysroot) : 0;
	char path[3][PATH_MAX];
	int found = 0;

	if (root && !strncmp(dir, d->sysroot, root))
		inner = dir + root;
	if (name && !strchr(name, '/')) {
		snprintf(path[0], PATH_MAX, "%s/%s", dir, name);
		snprintf(path[1], PATH_MAX, "%s/.debug/%s", dir, name);
		snprintf(path[2], PATH_MAX, "%s/usr/lib/debug%s/%s", d->sysroot ? d->sysroot : "", inner, name);
		for (int i = 0; i < 3 && !found; i++) {
			if (image_open(&d->debug, path[i]))
				continue;
			found = is_debug_of(&d->debug, &d->file, crc);
			if (!found)
				image_close(&d->debug);
		}
	}
	free(copy);
	return found ? 0 : -1;
}

static void find_debug(struct lode_dwarf *d)
{
	const void *id;
	const ssize_t n = dwelf_elf_gnu_build_id(d->file.elf, &id);

	if (has_dwarf(&d->file))
		return;
	if (n > 0 && !open_debug_by_id(d, &d->debug, id, (size_t)n))
		return;
	open_by_debuglink(d);
}

/* The file that dwz moved common parts to. */
static void find_alt(struct lode_dwarf *d, const struct image *owner)
{
	const char *name;
	const void *id;
	const ssize_t n = dwelf_dwarf_gnu_debugaltlink(d->dwarf, &name, &id);
	char path[PATH_MAX];
	int is_open = 0;

	if (n <= 0)
		return;
	if (name[0] == '/') {
		snprintf(path, sizeof(path), "%s%s", d->sysroot ? d->sysroot : "", name);
	} else {
		char *copy = lode_copy_string(owner->path);

		snprintf(path, sizeof(path), "%s/%s", dirname(copy), name);
		free(copy);
	}
	if (!image_open(&d->alt, path)) {
		is_open = image_has_build_id(&d->alt, id, (size_t)n);
		if (!is_open)
			image_close(&d->alt);
	}
	if (!is_open && open_debug_by_id(d, &d->alt, id, (size_t)n))
		return;
	d->alt_dwarf = dwarf_begin_elf(d->alt.elf, DWARF_C_READ, NULL);
	if (d->alt_dwarf)
		dwarf_setalt(d->dwarf, d->alt_dwarf);
}

/* ---- opening ------------------------------------------------------------------------------------- */
static void find_code(struct lode_dwarf *d)
{
	size_t capacity = 0;
	GElf_Shdr h;

	for (Elf_Scn *s = NULL; (s = elf_nextscn(d->file.elf, s));) {
		if (!gelf_getshdr(s, &h) || !(h.sh_flags & SHF_EXECINSTR) || !(h.sh_flags & SHF_ALLOC) || !h.sh_size ||
		    h.sh_addr + h.sh_size < h.sh_addr)
			continue;
		if (d->n_code == capacity) {
			capacity = capacity ? capacity * 2 : 16;
			d->code = lode_realloc(d->code, capacity * sizeof(*d->code));
		}
		d->code[d->n_code++] = (struct range){ h.sh_addr, h.sh_addr + h.sh_size };
	}
}

static const struct range *code_at(const struct lode_dwarf *d, uint64_t address)
{
	for (size_t i = 0; i < d->n_code; i++)
		if (address - d->code[i].lo < d->code[i].hi - d->code[i].lo)
			return &d->code[i];
	return NULL;
}

static int is_code(const struct lode_dwarf *d, uint64_t lo, uint64_t hi)
{
	const struct range *c = lo < hi ? code_at(d, lo) : NULL;
	return c && hi <= c->hi;
}

static char *say(const char *format, const char *path, const char *why)
{
	char text[PATH_MAX + 128];

	snprintf(text, sizeof(text), format, path, why);
	return lode_copy_string(text);
}

struct lode_dwarf *lode_dwarf_open(const char *path, const char *sysroot, const void *build_id, size_t build_id_bytes,
				   char **problem)
{
	struct lode_dwarf *d = lode_alloc_zeroed(1, sizeof(*d));
	char full[PATH_MAX];

	*problem = NULL;
	d->sysroot = sysroot ? lode_copy_string(sysroot) : NULL;
	snprintf(full, sizeof(full), "%s%s", sysroot ? sysroot : "", path);
	if (image_open(&d->file, full)) {
		*problem = say("%s cannot be read: %s", full, errno == ENOEXEC ? "not an ELF file" : strerror(errno));
	} else if (build_id_bytes && !image_has_build_id(&d->file, build_id, build_id_bytes)) {
		*problem = say("%s is not the one recorded (build-id differs)", full, "");
		image_close(&d->file);
	}
	if (*problem && (!build_id_bytes || open_debug_by_id(d, &d->file, build_id, build_id_bytes))) {
		lode_dwarf_close(d);
		return NULL;
	}
	free(*problem);
	*problem = NULL;
	find_code(d);
	find_debug(d);
	return d;
}

struct lode_dwarf *lode_dwarf_open_vdso(const void *build_id, size_t build_id_bytes)
{
	const uint8_t *vdso = (const uint8_t *)getauxval(AT_SYSINFO_EHDR); /* one mapping, given by the kernel */
	struct lode_dwarf *d;
	const ElfW(Ehdr) *h = (const void *)vdso;
	size_t bytes;
	void *copy;

	if (!vdso)
		return NULL;
	bytes = h->e_shoff + (size_t)h->e_shnum * h->e_shentsize;
	copy = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (copy == MAP_FAILED)
		return NULL;
	memcpy(copy, vdso, bytes);
	d = lode_alloc_zeroed(1, sizeof(*d));
	if (image_parse(&d->file, copy, bytes, "[vdso]") ||
	    (build_id_bytes && !image_has_build_id(&d->file, build_id, build_id_bytes))) {
		lode_dwarf_close(d);
		return NULL;
	}
	find_code(d);
	d->is_dwarf_tried = 1;
	return d;
}

void lode_dwarf_close(struct lode_dwarf *d)
{
	if (!d)
		return;
	if (d->dwarf)
		dwarf_end(d->dwarf);
	if (d->alt_dwarf)
		dwarf_end(d->alt_dwarf);
	image_close(&d->file);
	image_close(&d->debug);
	image_close(&d->alt);
	free(d->units);
	free(d->code);
	free(d->sysroot);
	free(d);
}

/* ---- symbols ------------------------------------------------------------------------------------- */
struct symbol_sink {
	struct lode_dwarf *d;
	lode_dwarf_symbol_fn *fn;
	void *arg;
};

static void pass_symbol(const struct symbol_sink *to, const GElf_Sym *sym, const char *name, uint64_t address)
{
	const int type = GELF_ST_TYPE(sym->st_info);
	const struct range *c;
	char plain[1024];
	size_t n;

	if (type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE)
		return;
	if (sym->st_shndx == SHN_UNDEF || !name || !name[0] || name[0] == '$' || !(c = code_at(to->d, address)))
		return; /* $x, $d: mapping symbols of aarch64 */
	n = 1 + strcspn(name + 1, "@");
	if (name[n] && n < sizeof(plain)) {
		memcpy(plain, name, n);
		plain[n] = 0;
		name = plain;
	}
	to->fn(to->arg, &(struct lode_dwarf_symbol){ .name = name,
						     .address = address,
						     .size = sym->st_size < c->hi - address ? sym->st_size : c->hi - address,
						     .section_end = c->hi,
						     .is_function = type != STT_NOTYPE,
						     .is_local = GELF_ST_BIND(sym->st_info) == STB_LOCAL });
}

static size_t pass_table(const struct symbol_sink *to, const struct image *im, GElf_Word type)
{
	size_t passed = 0;
	GElf_Shdr h;
	GElf_Sym sym;

	if (!im->elf)
		return 0;
	for (Elf_Scn *s = NULL; (s = elf_nextscn(im->elf, s));) {
		Elf_Data *data = NULL;

		if (!gelf_getshdr(s, &h) || h.sh_type != type || !h.sh_entsize || !(data = elf_getdata(s, NULL)))
			continue;
		for (size_t i = 0; i < data->d_size / h.sh_entsize && i < INT_MAX && gelf_getsym(data, (int)i, &sym); i++) {
			pass_symbol(to, &sym, elf_strptr(im->elf, h.sh_link, sym.st_name), sym.st_value);
			passed++;
		}
	}
	return passed;
}

/* .gnu_debugdata, an LZMA-compressed ELF file with the symbols that .dynsym lacks (Fedora's "mini debuginfo"): libdwfl
 * reads it, and nothing else here needs libdwfl. */
static int no_debuginfo(Dwfl_Module *m, void **data, const char *name, Dwarf_Addr base, const char *file,
			const char *link, GElf_Word crc, char **found)
{
	(void)m, (void)data, (void)name, (void)base, (void)file, (void)link, (void)crc, (void)found;
	return -1;
}

static void pass_minidebug(const struct symbol_sink *to, const struct image *im)
{
	static const Dwfl_Callbacks callbacks = { .find_debuginfo = no_debuginfo,
						  .section_address = dwfl_offline_section_address };
	Dwfl *dwfl = dwfl_begin(&callbacks);
	Dwfl_Module *m = dwfl ? dwfl_report_offline(dwfl, "m", im->path, -1) : NULL;
	GElf_Addr moved = 0, address;
	GElf_Sym sym;

	if (m && dwfl_module_getelf(m, &moved))
		for (int i = 0, n = dwfl_module_getsymtab(m); i < n; i++) {
			const char *name = dwfl_module_getsym_info(m, i, &sym, &address, NULL, NULL, NULL);

			if (name)
				pass_symbol(to, &sym, name, address - moved);
		}
	if (dwfl)
		dwfl_end(dwfl);
}

/* ---- PLT entries --------------------------------------------------------------------------------- */
struct slot {
	uint64_t address; /* of the GOT slot that the entry jumps through */
	const char *name;
};

struct slots {
	struct slot *v;
	size_t n, capacity;
};

static int by_slot(const void *a, const void *b)
{
	const struct slot *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

static void collect_slots(struct slots *slots, const struct image *im, Elf_Scn *section, const GElf_Shdr *h)
{
	Elf_Data *data = elf_getdata(section, NULL), *symbols;
	Elf_Scn *table = elf_getscn(im->elf, h->sh_link);
	GElf_Shdr th;
	GElf_Rela r;
	GElf_Sym sym;

	if (!data || !h->sh_entsize || !table || !gelf_getshdr(table, &th) || !(symbols = elf_getdata(table, NULL)))
		return;
	for (size_t i = 0; i < data->d_size / h->sh_entsize && i < INT_MAX && gelf_getrela(data, (int)i, &r); i++) {
		const char *name = NULL;

		if (GELF_R_SYM(r.r_info) && GELF_R_SYM(r.r_info) < INT_MAX &&
		    gelf_getsym(symbols, (int)GELF_R_SYM(r.r_info), &sym))
			name = elf_strptr(im->elf, th.sh_link, sym.st_name);
		if (!name || !name[0])
			continue;
		if (slots->n == slots->capacity) {
			slots->capacity = slots->capacity ? slots->capacity * 2 : 256;
			slots->v = lode_realloc(slots->v, slots->capacity * sizeof(*slots->v));
		}
		slots->v[slots->n++] = (struct slot){ r.r_offset, name };
	}
}

static void pass_plt_section(const struct symbol_sink *to, const struct slots *slots, Elf_Scn *section,
			     const GElf_Shdr *h, enum lode_plt_machine machine)
{
	Elf_Data *data = elf_getdata(section, NULL);
	const size_t step = h->sh_entsize == 8 ? 8 : 16;
	char name[512];

	if (!data || !data->d_buf)
		return;
	for (size_t at = 0; at + 8 <= data->d_size; at += step) {
		const uint64_t slot = lode_plt_slot(machine, (const uint8_t *)data->d_buf + at, data->d_size - at,
						    h->sh_addr + at);
		const struct slot key = { slot, NULL };
		const struct slot *s = slot ? bsearch(&key, slots->v, slots->n, sizeof(key), by_slot) : NULL;

		if (!s || snprintf(name, sizeof(name), "%.*s@plt", (int)strcspn(s->name, "@"), s->name) >= (int)sizeof(name))
			continue;
		to->fn(to->arg, &(struct lode_dwarf_symbol){ .name = name,
							     .address = h->sh_addr + at,
							     .size = step,
							     .section_end = h->sh_addr + h->sh_size,
							     .is_function = 1,
							     .is_local = 1 });
	}
}

static void pass_plt(const struct symbol_sink *to, const struct image *im)
{
	struct slots slots = { 0 };
	GElf_Ehdr eh;
	GElf_Shdr h;
	size_t names;

	if (!gelf_getehdr(im->elf, &eh) || (eh.e_machine != EM_X86_64 && eh.e_machine != EM_AARCH64) ||
	    elf_getshdrstrndx(im->elf, &names))
		return;
	for (Elf_Scn *s = NULL; (s = elf_nextscn(im->elf, s));)
		if (gelf_getshdr(s, &h) && h.sh_type == SHT_RELA && h.sh_flags & SHF_ALLOC)
			collect_slots(&slots, im, s, &h);
	if (slots.n)
		qsort(slots.v, slots.n, sizeof(*slots.v), by_slot);
	for (Elf_Scn *s = NULL; slots.n && (s = elf_nextscn(im->elf, s));) {
		const char *name = gelf_getshdr(s, &h) ? elf_strptr(im->elf, names, h.sh_name) : NULL;

		if (name && !strncmp(name, ".plt", 4) && h.sh_type == SHT_PROGBITS && h.sh_flags & SHF_EXECINSTR)
			pass_plt_section(to, &slots, s, &h,
					 eh.e_machine == EM_X86_64 ? LODE_PLT_X86_64 : LODE_PLT_AARCH64);
	}
	free(slots.v);
}

void lode_dwarf_symbols(struct lode_dwarf *d, lode_dwarf_symbol_fn *fn, void *arg)
{
	const struct symbol_sink to = { d, fn, arg };

	if (!pass_table(&to, &d->file, SHT_SYMTAB) && !pass_table(&to, &d->debug, SHT_SYMTAB)) {
		pass_table(&to, &d->file, SHT_DYNSYM);
		if (section_named(&d->file, ".gnu_debugdata"))
			pass_minidebug(&to, &d->file);
	}
	pass_plt(&to, &d->file);
}

/* ---- units --------------------------------------------------------------------------------------- */
/* What dwarf_begin_elf would inflate for nothing; sh_type NOBITS makes it pass by. */
static void hide_unused(const struct image *im)
{
	static const char *const unused[] = { "debug_loc", "debug_macro", "debug_macinfo", "debug_frame",
					      "debug_pub", "debug_gnu_pub", "debug_types" };
	size_t names;
	GElf_Shdr h;

	if (elf_getshdrstrndx(im->elf, &names))
		return;
	for (Elf_Scn *s = NULL; (s = elf_nextscn(im->elf, s));) {
		const char *n = gelf_getshdr(s, &h) ? elf_strptr(im->elf, names, h.sh_name) : NULL;

		if (!n || n[0] != '.')
			continue;
		n += n[1] == 'z' ? 2 : 1;
		for (size_t i = 0; i < sizeof(unused) / sizeof(*unused); i++)
			if (!strncmp(n, unused[i], strlen(unused[i]))) {
				h.sh_type = SHT_NOBITS;
				gelf_update_shdr(s, &h);
				break;
			}
	}
}

static void add_unit(struct lode_dwarf *d, const Dwarf_Die *die, const Dwarf_Die *code)
{
	if (!(d->n_units & (d->n_units - 1))) /* 0 and every power of two: twice the room */
		d->units = lode_realloc(d->units, (d->n_units ? d->n_units * 2 : 1) * sizeof(*d->units));
	d->units[d->n_units++] = (struct unit){ .die = *die, .code = *code, .bytes = 1 << 24 };
}

static void find_units(struct lode_dwarf *d)
{
	Dwarf_CU *cu = NULL;
	Dwarf_Half version;
	Dwarf_Off last = 0;
	int is_plain = 0; /* the last one is in units[], with its DIEs in this file */
	uint8_t type;
	Dwarf_Die die, sub;

	while (d->n_units < UINT32_MAX / 2 &&
	       dwarf_get_units(d->dwarf, cu, &cu, &version, &type, &die, &sub) == 0) {
		const Dwarf_Off at = dwarf_dieoffset(&die);

		if (at == (Dwarf_Off)-1 || (last && at <= last))
			break;
		if (is_plain)
			d->units[d->n_units - 1].bytes = at - last;
		last = at;
		is_plain = type == DW_UT_compile || type == DW_UT_partial;
		if (is_plain || type == DW_UT_skeleton)
			add_unit(d, &die, type == DW_UT_skeleton && sub.addr ? &sub : &die);
	}
}

static void open_dwarf(struct lode_dwarf *d)
{
	struct image *im = d->debug.elf && has_dwarf(&d->debug) ? &d->debug : &d->file;

	d->is_dwarf_tried = 1;
	if (!has_dwarf(im))
		return;
	hide_unused(im);
	d->dwarf = dwarf_begin_elf(im->elf, DWARF_C_READ, NULL);
	if (!d->dwarf)
		return;
	find_alt(d, im);
	find_units(d);
}

/* The next range that is code: linkers leave 0 or -1 where they dropped a function. */
static ptrdiff_t next_range(const struct lode_dwarf *d, Dwarf_Die *die, ptrdiff_t at, Dwarf_Addr *base, struct range *r)
{
	do {
		at = dwarf_ranges(die, at, base, &r->lo, &r->hi);
	} while (at > 0 && !is_code(d, r->lo, r->hi));
	return at;
}

size_t lode_dwarf_units(struct lode_dwarf *d, lode_dwarf_range_fn *fn, void *arg)
{
	if (!d->is_dwarf_tried)
		open_dwarf(d);
	for (size_t i = 0; i < d->n_units; i++) {
		Dwarf_Addr base;
		struct range r;

		for (ptrdiff_t at = 0; (at = next_range(d, &d->units[i].die, at, &base, &r)) > 0;)
			fn(arg, (uint32_t)i, r.lo, r.hi);
	}
	return d->n_units;
}

/* ---- the functions of a unit --------------------------------------------------------------------- */
struct origin { /* what is known of an abstract function */
	const void *key; /* its DIE's address; NULL: free */
	uint32_t name, first_line, flags;
};

struct walk {
	struct lode_dwarf *d;
	struct lode_symindex_builder *b;
	Dwarf_Files *files;
	const char *directory; /* the compiler's; or NULL */
	uint32_t *file_name; /* by file number: an offset + 1; 0: not looked at yet */
	size_t n_files;
	struct origin *origins; /* open addressing */
	size_t origin_mask, n_origins;
	size_t steps; /* DIEs and ranges that may still be visited: a hostile DW_AT_sibling makes a tree endless */
	int is_c; /* names are what they are */
};

/* Directory 0 of the line table is the compiler's own and is in `name` then, even where it is relative (glibc). */
static char *whole_path(const char *directory, const char *name)
{
	const size_t n = directory ? strlen(directory) : 0;
	const int has_directory = n && directory[0] != '/' && !strncmp(name, directory, n) && name[n] == '/';

	return lode_path_join(has_directory ? NULL : directory, name);
}

static uint32_t file_name(struct walk *w, size_t file)
{
	if (file >= w->n_files)
		return LODE_SYMINDEX_NONE;
	if (!w->file_name[file]) {
		const char *name = dwarf_filesrc(w->files, file, NULL, NULL);
		char *path = name ? whole_path(w->directory, name) : NULL;

		w->file_name[file] = lode_symindex_string(w->b, path) + 1; /* NONE + 1 is 0 */
		free(path);
	}
	return w->file_name[file] - 1;
}

static const char *string_of(Dwarf_Die *die, unsigned int name)
{
	Dwarf_Attribute a;

	return dwarf_attr_integrate(die, name, &a) ? dwarf_formstring(&a) : NULL;
}

static uint32_t number_of(Dwarf_Attribute *a)
{
	Dwarf_Word n;

	return a && !dwarf_formudata(a, &n) && n <= INT32_MAX ? (uint32_t)n : 0;
}

static void read_origin(struct walk *w, Dwarf_Die *die, struct origin *o)
{
	const char *name = string_of(die, DW_AT_linkage_name);
	Dwarf_Attribute a;

	if (!name)
		name = string_of(die, DW_AT_MIPS_linkage_name);
	o->flags = name || w->is_c ? 0 : LODE_SYMINDEX_LOCAL_NAME;
	o->name = lode_symindex_string(w->b, name ? name : string_of(die, DW_AT_name));
	o->first_line = number_of(dwarf_attr_integrate(die, DW_AT_decl_line, &a));
}

static struct origin *origin_slot(const struct walk *w, const void *key)
{
	size_t i = ((uintptr_t)key >> 1) * UINT64_C(0x9e3779b97f4a7c15) >> 20;

	while (w->origins[i & w->origin_mask].key && w->origins[i & w->origin_mask].key != key)
		i++;
	return &w->origins[i & w->origin_mask];
}

static void grow_origins(struct walk *w)
{
	struct origin *old = w->origins;
	const size_t n = old ? w->origin_mask + 1 : 0;

	w->origin_mask = n ? n * 2 - 1 : 255;
	w->origins = lode_alloc_zeroed(w->origin_mask + 1, sizeof(*w->origins));
	for (size_t i = 0; i < n; i++)
		if (old[i].key)
			*origin_slot(w, old[i].key) = old[i];
	free(old);
}

/* Name and line.  An inlined call has them from the abstract function: read once for all its instances.  (The function's
 * own instance may have a name of its own, like f.isra.0.) */
static struct origin origin_of(struct walk *w, Dwarf_Die *die, int is_inlined)
{
	Dwarf_Attribute a;
	Dwarf_Die abstract;
	struct origin *o, own = { 0 };

	if (!is_inlined || !dwarf_attr(die, DW_AT_abstract_origin, &a) || !dwarf_formref_die(&a, &abstract)) {
		read_origin(w, die, &own);
		return own;
	}
	if (w->n_origins * 2 >= w->origin_mask)
		grow_origins(w);
	o = origin_slot(w, abstract.addr);
	if (!o->key) {
		read_origin(w, &abstract, o);
		o->key = abstract.addr;
		w->n_origins++;
	}
	return *o;
}

/* A function or inlined call with code becomes a node; returns its number, or NONE if it has no code. */
static uint32_t add_function(struct walk *w, Dwarf_Die *die, uint32_t parent, int is_inlined)
{
	struct lode_symindex_node n = { .parent = LODE_SYMINDEX_NONE, .call_file = LODE_SYMINDEX_NONE };
	uint32_t node = LODE_SYMINDEX_NONE;
	struct origin o;
	struct range r;
	Dwarf_Addr base;
	Dwarf_Attribute a;
	ptrdiff_t at = next_range(w->d, die, 0, &base, &r);

	if (at <= 0)
		return node;
	o = origin_of(w, die, is_inlined);
	n.name = o.name;
	n.first_line = o.first_line;
	n.flags = o.flags;
	if (is_inlined && parent != LODE_SYMINDEX_NONE) {
		n.flags |= LODE_SYMINDEX_INLINED;
		n.parent = parent;
		n.call_line = number_of(dwarf_attr(die, DW_AT_call_line, &a));
		if (dwarf_attr(die, DW_AT_call_file, &a))
			n.call_file = file_name(w, number_of(&a));
	}
	node = lode_symindex_add(w->b, &n);
	for (; at > 0 && w->steps; w->steps--, at = next_range(w->d, die, at, &base, &r))
		lode_symindex_range(w->b, node, r.lo, r.hi);
	return node;
}

/* Descends where functions can be.  A function without code is only a description, of the code in no case; except that a
 * local class within it may have methods. */
static void walk_children(struct walk *w, Dwarf_Die *parent, uint32_t node, unsigned int depth)
{
	enum { DEEPEST = 512 };
	Dwarf_Die die;
	const void *before = NULL;

	if (depth > DEEPEST || dwarf_child(parent, &die))
		return;
	do {
		if (!w->steps || !--w->steps || (const char *)die.addr <= (const char *)before) {
			w->steps = 0;
			return;
		}
		before = die.addr;
		switch (dwarf_tag(&die)) {
		case DW_TAG_subprogram:
			walk_children(w, &die, add_function(w, &die, LODE_SYMINDEX_NONE, 0), depth + 1);
			break;
		case DW_TAG_inlined_subroutine: {
			const uint32_t inlined = add_function(w, &die, node, 1);

			if (inlined != LODE_SYMINDEX_NONE)
				walk_children(w, &die, inlined, depth + 1);
			break;
		}
		case DW_TAG_lexical_block:
		case DW_TAG_try_block:
		case DW_TAG_catch_block:
		case DW_TAG_with_stmt:
		case DW_TAG_namespace:
		case DW_TAG_module:
		case DW_TAG_structure_type:
		case DW_TAG_class_type:
		case DW_TAG_union_type:
		case DW_TAG_interface_type:
		case DW_TAG_enumeration_type:
			walk_children(w, &die, node, depth + 1);
			break;
		default:
			break;
		}
	} while (w->steps && dwarf_siblingof(&die, &die) == 0);
}

/* ---- the lines of a unit ------------------------------------------------------------------------- */
static void add_lines(struct walk *w, Dwarf_Die *unit)
{
	int is_dropped = 1; /* in a sequence that is not code of this file */
	Dwarf_Lines *lines;
	size_t n;

	if (dwarf_getsrclines(unit, &lines, &n))
		return;
	for (size_t i = 0; i < n; i++) {
		Dwarf_Line *l = dwarf_onesrcline(lines, i);
		Dwarf_Addr address;
		bool is_end;
		int line;
		Dwarf_Files *files;
		size_t file;

		if (dwarf_lineaddr(l, &address) || dwarf_lineendsequence(l, &is_end))
			continue;
		if (is_end) {
			if (!is_dropped)
				lode_symindex_row(w->b, address, LODE_SYMINDEX_NONE, 0);
			is_dropped = 1;
			continue;
		}
		is_dropped = !code_at(w->d, address);
		if (!is_dropped && !dwarf_lineno(l, &line) && !dwarf_line_file(l, &files, &file))
			lode_symindex_row(w->b, address, file_name(w, file), line > 0 ? (uint32_t)line : 0);
	}
}

static int is_plain_c(Dwarf_Die *unit)
{
	switch (dwarf_srclang(unit)) {
	case DW_LANG_C89:
	case DW_LANG_C:
	case DW_LANG_C99:
	case DW_LANG_C11:
	case DW_LANG_Mips_Assembler:
		return 1;
	default:
		return 0;
	}
}

void lode_dwarf_index(struct lode_dwarf *d, uint32_t unit, struct lode_symindex_builder *b)
{
	struct walk w = { .d = d, .b = b };
	struct unit *u;

	if (unit >= d->n_units)
		return;
	u = &d->units[unit];
	w.is_c = is_plain_c(&u->code);
	w.directory = string_of(&u->die, DW_AT_comp_dir);
	w.steps = 4 * u->bytes;
	if (!dwarf_getsrcfiles(&u->die, &w.files, &w.n_files))
		w.file_name = lode_alloc_zeroed(w.n_files, sizeof(*w.file_name));
	else
		w.n_files = 0;
	add_lines(&w, &u->die);
	walk_children(&w, &u->code, LODE_SYMINDEX_NONE, 0);
	free(w.file_name);
	free(w.origins);
}
