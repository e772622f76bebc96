/* What a command is; see target.h.  The file is the user's, but may be anything: every offset is checked. */
#include "target.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#if defined(__x86_64__)
#define OWN_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OWN_MACHINE EM_AARCH64
#else
#define OWN_MACHINE EM_NONE
#endif

#define SHEBANG_MAX 256 /* the kernel reads that much (BINPRM_BUF_SIZE) */

static void refuse(struct lode_target *t, const char *reason)
{
	t->verdict = LODE_TARGET_REFUSED;
	snprintf(t->reason, sizeof t->reason, "%s", reason);
}

/* ---- finding ------------------------------------------------------------------------------ */

static bool is_runnable(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static void copy(char *out, size_t n, const char *s)
{
	size_t length = strnlen(s, n - 1);
	memcpy(out, s, length);
	out[length] = 0;
}

/* As execvp(3): the first executable file along PATH; a name with a slash is itself.  Sets errno on failure. */
static bool find(const char *name, char *out, size_t n)
{
	const char *path = getenv("PATH");
	bool was_denied = false;
	struct stat st;

	if (strchr(name, '/') || !*name) {
		copy(out, n, name);
		if (stat(name, &st) != 0)
			return false;
		errno = EACCES;
		return is_runnable(name);
	}
	for (const char *p = path ? path : "/bin:/usr/bin"; p; p = strchr(p, ':') ? strchr(p, ':') + 1 : NULL) {
		size_t dir = strcspn(p, ":");
		snprintf(out, n, "%.*s%s%s", (int)dir, p, dir ? "/" : "", name);
		if (is_runnable(out))
			return true;
		was_denied |= stat(out, &st) == 0 && S_ISREG(st.st_mode);
	}
	copy(out, n, name);
	errno = was_denied ? EACCES : ENOENT;
	return false;
}

static bool locate(struct lode_target *t, const char *name)
{
	if (find(name, t->path, sizeof t->path))
		return true;
	t->verdict = errno == EACCES ? LODE_TARGET_NOT_EXECUTABLE : LODE_TARGET_NOT_FOUND;
	snprintf(t->reason, sizeof t->reason, "%s", strerror(errno));
	return false;
}

/* ---- ELF ---------------------------------------------------------------------------------- */

struct image {
	const uint8_t *data;
	size_t bytes;
};

/* The `n` bytes at file offset `at`, or NULL. */
static const void *at(const struct image *m, uint64_t offset, uint64_t n)
{
	return offset <= m->bytes && n <= m->bytes - offset ? m->data + offset : NULL;
}

static const char *string_at(const struct image *m, uint64_t offset)
{
	if (offset >= m->bytes || !memchr(m->data + offset, 0, m->bytes - offset))
		return NULL;
	return (const char *)m->data + offset;
}

/* A copy of program header i: the file may place them at any alignment. */
static bool program_header(const struct image *m, const Elf64_Ehdr *e, unsigned i, Elf64_Phdr *p)
{
	const void *from = at(m, e->e_phoff + (uint64_t)i * e->e_phentsize, sizeof *p);
	if (!from || i >= e->e_phnum)
		return false;
	memcpy(p, from, sizeof *p);
	return true;
}

static uint64_t offset_of_address(const struct image *m, const Elf64_Ehdr *e, uint64_t address)
{
	Elf64_Phdr p;
	for (unsigned i = 0; program_header(m, e, i, &p); i++)
		if (p.p_type == PT_LOAD && address >= p.p_vaddr && address - p.p_vaddr < p.p_filesz)
			return address - p.p_vaddr + p.p_offset;
	return UINT64_MAX;
}

struct dynamic {
	uint64_t strings, string_bytes; /* file offset of DT_STRTAB, UINT64_MAX: none */
	const char *soname;
	const char *sanitizer; /* a needed library */
};

static bool is_sanitizer(const char *needed)
{
	static const char *const names[] = { "libasan.so", "libhwasan.so", "libtsan.so", "liblsan.so" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (!strncmp(needed, names[i], strlen(names[i])))
			return true;
	return false;
}

static bool dynamic_entry(const struct image *m, const Elf64_Phdr *p, uint64_t i, Elf64_Dyn *d)
{
	const void *from = i < p->p_filesz / sizeof *d ? at(m, p->p_offset + i * sizeof *d, sizeof *d) : NULL;
	if (!from)
		return false;
	memcpy(d, from, sizeof *d);
	return d->d_tag != DT_NULL;
}

static void read_dynamic(const struct image *m, const Elf64_Ehdr *e, const Elf64_Phdr *p, struct dynamic *out)
{
	Elf64_Dyn d;
	for (uint64_t i = 0; dynamic_entry(m, p, i, &d); i++)
		if (d.d_tag == DT_STRTAB)
			out->strings = offset_of_address(m, e, d.d_un.d_ptr);
		else if (d.d_tag == DT_STRSZ)
			out->string_bytes = d.d_un.d_val;
	for (uint64_t i = 0; out->strings != UINT64_MAX && dynamic_entry(m, p, i, &d); i++) {
		if (d.d_tag != DT_NEEDED && d.d_tag != DT_SONAME)
			continue;
		const char *name = string_at(m, out->strings + d.d_un.d_val);
		if (name && d.d_tag == DT_SONAME)
			out->soname = name;
		else if (name && is_sanitizer(name))
			out->sanitizer = name;
	}
}

/* clang links the sanitizer's run time into the executable, which exports it. */
static bool exports_sanitizer(const struct image *m, const struct dynamic *d)
{
	static const char name[] = "\0__asan_init";
	const void *strings = at(m, d->strings, d->string_bytes);
	return strings && memmem(strings, d->string_bytes, name, sizeof name);
}

static const char *const static_reason =
	"it is statically linked, so nothing can be loaded into it; link it dynamically to profile it";

static void inspect_dynamic(struct lode_target *t, const struct image *m, const Elf64_Ehdr *e)
{
	const char *interpreter = NULL;
	struct dynamic dynamic = { .strings = UINT64_MAX };
	Elf64_Phdr p;

	for (unsigned i = 0; program_header(m, e, i, &p); i++) {
		if (p.p_type == PT_INTERP)
			interpreter = string_at(m, p.p_offset);
		else if (p.p_type == PT_DYNAMIC)
			read_dynamic(m, e, &p, &dynamic);
	}
	/* the loader itself, given a program to run, honours LD_PRELOAD */
	if (!interpreter && dynamic.soname && !strncmp(dynamic.soname, "ld-linux", 8))
		return;
	if (!interpreter) {
		refuse(t, static_reason);
	} else if (strstr(interpreter, "ld-musl")) {
		refuse(t, "it is linked with musl, whose loader cannot load an agent made for glibc; "
			  "build it for glibc to profile it");
	} else if (dynamic.sanitizer) {
		snprintf(t->reason, sizeof t->reason,
			 "it is built with a sanitizer (%s), which insists on coming first and hides the allocations; "
			 "build it without -fsanitize to profile it",
			 dynamic.sanitizer);
		t->verdict = LODE_TARGET_REFUSED;
	} else if (exports_sanitizer(m, &dynamic)) {
		snprintf(t->warning, sizeof t->warning,
			 "'%.100s' carries its own sanitizer run time: its allocations may not be seen", t->path);
	}
}

static void inspect_elf(struct lode_target *t, const struct image *m)
{
	Elf64_Ehdr e;

	if (m->data[EI_CLASS] == ELFCLASS32) {
		refuse(t, "it is a 32-bit program, and the agent is a 64-bit one; build it for 64 bits to profile it");
		return;
	}
	if (m->bytes < sizeof e) {
		t->verdict = LODE_TARGET_NOT_EXECUTABLE;
		snprintf(t->reason, sizeof t->reason, "Exec format error");
		return;
	}
	memcpy(&e, m->data, sizeof e);
	if (e.e_machine != OWN_MACHINE && OWN_MACHINE != EM_NONE)
		refuse(t, "it is made for another processor than lode; use a lode built for that one");
	else
		inspect_dynamic(t, m, &e);
}

/* ---- files -------------------------------------------------------------------------------- */

static bool is_privileged(struct lode_target *t, const struct stat *st)
{
	char capability[1];
	if (st->st_mode & S_ISUID || (st->st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP)) {
		refuse(t, "it is a set-user-ID or set-group-ID program, whose loader ignores agents; "
			  "profile a copy without that bit");
		return true;
	}
	if (geteuid() != 0 && (getxattr(t->path, "security.capability", capability, sizeof capability) >= 0 ||
			       errno == ERANGE)) {
		refuse(t, "it has file capabilities, so its loader ignores agents; profile a copy without them");
		return true;
	}
	return false;
}

/* The first word of a #! line, and for env(1) the command that it will run.  False: no interpreter named. */
static bool cut_interpreter(const struct image *m, char *out, size_t n)
{
	char line[SHEBANG_MAX + 1], *rest = line + 2, *word;
	size_t got = m->bytes < SHEBANG_MAX ? m->bytes : SHEBANG_MAX;
	memcpy(line, m->data, got);
	line[got] = 0;
	line[strcspn(line, "\n")] = 0;

	word = strtok_r(NULL, " \t", &rest);
	if (!word)
		return false;
	snprintf(out, n, "%s", word);
	const char *base = strrchr(word, '/');
	if (strcmp(base ? base + 1 : word, "env") != 0)
		return true;
	while ((word = strtok_r(NULL, " \t", &rest)))
		if (word[0] != '-' && !strchr(word, '=')) {
			snprintf(out, n, "%s", word);
			break;
		}
	return true;
}

/* Text without #!: execvp(3) hands it to the shell.  An empty file is such a script as well. */
static bool is_text(const struct image *m)
{
	return !memchr(m->data, 0, m->bytes < SHEBANG_MAX ? m->bytes : SHEBANG_MAX);
}

static bool map_image(const char *path, struct stat *st, struct image *m)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	*m = (struct image){ (const uint8_t *)"", 0 };
	if (fd < 0)
		return false;
	bool ok = fstat(fd, st) == 0;
	if (ok && st->st_size > 0) {
		void *p = mmap(NULL, (size_t)st->st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		ok = p != MAP_FAILED;
		if (ok)
			*m = (struct image){ p, (size_t)st->st_size };
	}
	close(fd);
	return ok;
}

/* Looks at t->path.  True: it is a script, `next` is its interpreter. */
static bool inspect_file(struct lode_target *t, char *next, size_t n)
{
	struct stat st;
	struct image m;
	bool is_script = false;

	if (!map_image(t->path, &st, &m))
		return false; /* executable but not readable: what it is cannot be said, the kernel will */
	if (m.bytes > EI_CLASS && !memcmp(m.data, ELFMAG, SELFMAG)) {
		if (!is_privileged(t, &st))
			inspect_elf(t, &m);
	} else if (m.bytes > 2 && !memcmp(m.data, "#!", 2)) {
		is_script = cut_interpreter(&m, next, n);
	} else if (is_text(&m)) {
		snprintf(next, n, "/bin/sh");
		is_script = true;
	} else {
		t->verdict = LODE_TARGET_NOT_EXECUTABLE;
		snprintf(t->reason, sizeof t->reason, "Exec format error");
	}
	if (m.bytes)
		munmap((void *)(uintptr_t)m.data, m.bytes);
	return is_script;
}

void lode_target_inspect(const char *command, struct lode_target *t)
{
	char name[4096];
	*t = (struct lode_target){ .verdict = LODE_TARGET_OK };
	if (!locate(t, command))
		return;
	memcpy(t->command, t->path, sizeof t->command);
	for (int i = 0; i < LODE_TARGET_CHAIN_MAX; i++) {
		if (!inspect_file(t, name, sizeof name))
			return;
		t->is_script = true;
		if (!locate(t, name))
			return;
	}
	t->verdict = LODE_TARGET_NOT_EXECUTABLE;
	snprintf(t->reason, sizeof t->reason, "%s", strerror(ELOOP));
}
