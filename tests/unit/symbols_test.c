/* link: reader/symbols.c reader/symindex.c reader/symcache.c reader/dwarf.c reader/eh_frame.c reader/plt.c reader/demangle.c reader/lib/error.c reader/lib/escape.c reader/lib/zip.c reader/lib/intern.c reader/lib/path.c -ldw -lelf -liberty -lz */
/* The resolver, on this test's own program: its functions, inlined calls and lines are known.  With a file as argument it
 * prints the frames of the addresses on standard input instead, for tests/python/addr2line_agrees.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>
#include <link.h>

#include <cmocka.h>

#include "demangle.h"
#include "lib/path.h"
#include "symbols.h"
#include "symindex.h"

/* ---- code whose frames are known ----------------------------------------------------------------- */
static __attribute__((noinline)) uintptr_t here(void)
{
	return (uintptr_t)__builtin_return_address(0) - 1;
}

enum { LEAF_LINE = __LINE__ + 4, MIDDLE_LINE = __LINE__ + 9, OUTER_LINE = __LINE__ + 14 };

static inline __attribute__((always_inline)) uintptr_t leaf(volatile uintptr_t *out)
{
	return *out = here();
}

static inline __attribute__((always_inline)) uintptr_t middle(volatile uintptr_t *out)
{
	return leaf(out) + 1;
}

static __attribute__((noinline)) uintptr_t outer(volatile uintptr_t *out)
{
	return middle(out) * 2;
}

/* ---- this program as a module -------------------------------------------------------------------- */
static char self[4096];
static uint64_t bias;
static uint8_t build_id[64];
static size_t build_id_bytes;

static int look_at_self(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size, (void)arg;
	bias = info->dlpi_addr;
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const char *p = (const char *)(bias + info->dlpi_phdr[i].p_vaddr), *end = p + info->dlpi_phdr[i].p_memsz;

		while (info->dlpi_phdr[i].p_type == PT_NOTE && p < end) {
			const ElfW(Nhdr) *n = (const void *)p;

			p += sizeof(*n) + ((n->n_namesz + 3) & ~3u);
			if (n->n_type == 3 && n->n_descsz <= sizeof(build_id)) {
				build_id_bytes = n->n_descsz;
				memcpy(build_id, p, build_id_bytes);
			}
			p += (n->n_descsz + 3) & ~3u;
		}
	}
	return 1;
}

static uint64_t address_in_leaf(void)
{
	volatile uintptr_t a;

	outer(&a);
	return a - bias;
}

static size_t resolve(const char *path, const struct lode_symbols_options *o, uint64_t address, char *text, size_t room)
{
	struct lode_symbols *s = lode_symbols_new(o);
	struct lode_symbol_module *m = lode_symbols_module(s, path, build_id, o->no_cache ? 0 : build_id_bytes);
	struct lode_symbol f[8];
	const size_t n = lode_symbols_resolve(m, address, f, 8);

	text[0] = 0;
	for (size_t i = 0; i < n && i < 8; i++)
		snprintf(text + strlen(text), room - strlen(text), "%s:%u%s ", f[i].name, f[i].line, f[i].is_inlined ? "i" : "");
	lode_symbols_free(s);
	return n;
}

/* ---- tests --------------------------------------------------------------------------------------- */
static void inlined_frames_have_the_lines_of_their_calls(void **state)
{
	struct lode_symbols *s = lode_symbols_new(&(struct lode_symbols_options){ .no_cache = 1 });
	struct lode_symbol_module *m = lode_symbols_module(s, self, build_id, build_id_bytes);
	struct lode_symbol f[8];

	(void)state;
	assert_int_equal(lode_symbols_resolve(m, address_in_leaf(), f, 8), 3);
	assert_null(lode_symbol_module_problem(m));
	assert_string_equal(f[0].name, "leaf");
	assert_string_equal(f[1].name, "middle");
	assert_string_equal(f[2].name, "outer");
	assert_int_equal(f[0].line, LEAF_LINE);
	assert_int_equal(f[1].line, MIDDLE_LINE);
	assert_int_equal(f[2].line, OUTER_LINE);
	assert_int_equal(f[2].first_line, OUTER_LINE - 2);
	assert_true(f[0].is_inlined && f[1].is_inlined && !f[2].is_inlined);
	assert_non_null(strstr(f[2].file, "symbols_test.c"));
	assert_int_equal(lode_symbols_resolve(m, address_in_leaf(), f, 1), 3); /* room for one only */
	lode_symbols_free(s);
}

static void without_lines_the_symbol_table_answers(void **state)
{
	char text[512];

	(void)state;
	assert_int_equal(resolve(self, &(struct lode_symbols_options){ .no_lines = 1 }, address_in_leaf(), text, 512), 1);
	assert_memory_equal(text, "outer", 5); /* GCC may call it outer.isra.0 */
}

static void another_build_is_not_used(void **state)
{
	struct lode_symbols *s = lode_symbols_new(NULL);
	struct lode_symbol_module *m = lode_symbols_module(s, self, "another build-id, too", 20);
	struct lode_symbol f;

	(void)state;
	assert_int_equal(lode_symbols_resolve(m, 0x1234, &f, 1), 1);
	assert_string_equal(f.name, "0x1234");
	assert_non_null(strstr(lode_symbol_module_problem(m), "is not the one recorded (build-id differs)"));
	lode_symbols_free(s);
}

static void a_missing_file_gives_addresses(void **state)
{
	struct lode_symbols *s = lode_symbols_new(&(struct lode_symbols_options){ .sysroot = "/nonexistent" });
	struct lode_symbol_module *m = lode_symbols_module(s, "/lib/x.so", NULL, 0);
	struct lode_symbol f, g;

	(void)state;
	lode_symbols_resolve(m, UINT64_MAX, &f, 1);
	lode_symbols_resolve(m, UINT64_MAX, &g, 1);
	assert_string_equal(f.name, "0xffffffffffffffff");
	assert_ptr_equal(f.name, g.name);
	assert_non_null(strstr(lode_symbol_module_problem(m), "/nonexistent/lib/x.so cannot be read"));
	lode_symbols_free(s);
}

static void the_vdso_is_read_from_memory(void **state)
{
	struct lode_symbols *s = lode_symbols_new(NULL);
	struct lode_symbol_module *m = lode_symbols_module(s, "[vdso]", NULL, 0);
	struct lode_symbol f;
	int named = 0;

	(void)state;
	if (!getauxval(AT_SYSINFO_EHDR))
		skip();
	for (uint64_t a = 0; a < 0x4000; a += 4) {
		lode_symbols_resolve(m, a, &f, 1);
		named += strstr(f.name, "clock_gettime") != NULL;
	}
	assert_true(named > 0);
	m = lode_symbols_module(s, "[vdso]", "of another kernel", 17);
	lode_symbols_resolve(m, 0x1000, &f, 1);
	assert_string_equal(f.name, "[vdso]");
	lode_symbols_free(s);
}

static void plt_entries_have_the_name_of_what_they_call(void **state)
{
	struct lode_symbols *s = lode_symbols_new(&(struct lode_symbols_options){ .no_lines = 1 });
	struct lode_symbol_module *m = lode_symbols_module(s, self, NULL, 0);
	struct lode_symbol f;
	int found = 0;

	(void)state;
	for (uint64_t a = 0; a < 0x100000 && !found; a += 4) {
		lode_symbols_resolve(m, a, &f, 1);
		found = !strcmp(f.name, "mkdtemp@plt");
	}
	assert_true(found);
	lode_symbols_free(s);
}

static void the_cache_gives_the_same_answer_whatever_is_in_it(void **state)
{
	char directory[] = "/tmp/lode-symbols-XXXXXX", path[256], expected[512], text[512];
	const struct lode_symbols_options o = { 0 };
	uint32_t seed = 5;
	struct stat st;
	FILE *f;

	(void)state;
	if (!build_id_bytes)
		skip();
	assert_non_null(mkdtemp(directory));
	setenv("XDG_CACHE_HOME", directory, 1);
	resolve(self, &o, address_in_leaf(), expected, sizeof(expected));
	snprintf(path, sizeof(path), "%s/lode/sym/", directory);
	for (size_t i = 0; i < build_id_bytes; i++)
		snprintf(path + strlen(path), 3, "%02x", build_id[i]);
	assert_int_equal(stat(path, &st), 0);
	for (int round = 0; round < 60; round++) {
		resolve(self, &o, address_in_leaf(), text, sizeof(text));
		assert_string_equal(text, expected);
		f = fopen(path, "r+b");
		assert_non_null(f);
		for (int i = 0; i < 3; i++) {
			fseek(f, (long)((seed = seed * 1664525 + 1013904223) >> 4) % (round % 2 ? 400 : (long)st.st_size), SEEK_SET);
			fputc((int)(seed >> 24), f);
		}
		fclose(f);
		if (round % 10 == 9)
			assert_int_equal(truncate(path, (off_t)(seed >> 8) % st.st_size), 0);
	}
	unlink(path);
	snprintf(path, sizeof(path), "%s/lode/sym", directory);
	rmdir(path);
	*strrchr(path, '/') = 0;
	rmdir(path);
	rmdir(directory);
	unsetenv("XDG_CACHE_HOME");
}

static void damaged_files_crash_nothing(void **state)
{
	char path[] = "/tmp/lode-damaged-XXXXXX", text[512];
	const int fd = mkstemp(path);
	FILE *f = fopen(self, "rb");
	static uint8_t original[8 << 20], damaged[8 << 20];
	const size_t bytes = fread(original, 1, sizeof(original), f);
	uint32_t seed = 11;

	(void)state;
	fclose(f);
	for (int round = 0; round < 150; round++) {
		const int flips = 1 << round % 8;
		size_t n = bytes;

		memcpy(damaged, original, bytes);
		for (int i = 0; i < flips; i++) {
			seed = seed * 1664525 + 1013904223;
			damaged[(round % 5 ? seed >> 3 : seed >> 26) % bytes] = (uint8_t)(seed >> 5);
		}
		if (round % 7 == 0)
			n = (seed >> 3) % bytes;
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(pwrite(fd, damaged, n, 0), (ssize_t)n);
		assert_true(resolve(path, &(struct lode_symbols_options){ .no_cache = 1 }, address_in_leaf(), text, 512) > 0);
	}
	close(fd);
	unlink(path);
}

static void names_have_no_parameter_lists(void **state)
{
	static const char *const names[][2] = {
		{ "_ZNSt6vectorIiSaIiEE9push_backEOi", "std::vector<int, std::allocator<int> >::push_back" },
		{ "_Z3fooIiEvT_", "foo<int>" },
		{ "_ZN4core3fmt9Formatter3pad17h0123456789abcdefE", "core::fmt::Formatter::pad" },
		{ "_RNvC6_123foo3bar", "123foo::bar" },
		{ "_ZN1AC4Ev", "A::A" },
	};
	char huge[600] = "_Z1fI";

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char *name = lode_demangle(names[i][0]);

		assert_non_null(name);
		assert_string_equal(name, names[i][1]);
		free(name);
	}
	assert_null(lode_demangle("main"));
	assert_null(lode_demangle(""));
	assert_null(lode_demangle("_"));
	/* A<int, int>, A<that, that>, A<that, that>, ...: doubles with every step */
	strcat(huge, "1AIiiE");
	for (int i = 0; i < 40; i++)
		snprintf(huge + strlen(huge), 16, "S_IS%c_S%c_E", '0' + i % 10, '0' + i % 10);
	free(lode_demangle(strcat(huge, "Evv")));
}

static void a_file_has_one_spelling(void **state)
{
	static const char *const paths[][3] = {
		{ "/a/b", "../c/./d.c", "/a/c/d.c" }, { "/a", "/x//y.c", "/x/y.c" }, { NULL, "../../z.c", "../../z.c" },
		{ "/", "../q.c", "/q.c" },	      { "./m", "n.c", "m/n.c" },      { "a", "../../b.c", "../b.c" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		char *path = lode_path_join(paths[i][0], paths[i][1]);

		assert_string_equal(path, paths[i][2]);
		free(path);
	}
}

static void the_innermost_interval_wins(void **state)
{
	struct lode_interval v[] = { { 10, 50, 0, 0 }, { 20, 30, 1, 1 }, { 20, 25, 2, 2 }, { 60, 70, 3, 0 } };
	uint64_t start[9];
	uint32_t id[9];
	const size_t n = lode_intervals_flatten(v, 4, start, id);
	static const uint32_t expected[][2] = { { 10, 0 }, { 19, 0 }, { 20, 2 }, { 25, 1 }, { 30, 0 }, { 60, 3 } };

	(void)state;
	for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++)
		assert_int_equal(id[lode_intervals_find(start, n, expected[i][0])], expected[i][1]);
	assert_int_equal(id[lode_intervals_find(start, n, 50)], LODE_SYMINDEX_NONE);
	assert_int_equal(id[lode_intervals_find(start, n, 99)], LODE_SYMINDEX_NONE);
	assert_int_equal(lode_intervals_find(start, n, 9), n);
}

static int print_frames(const char *path)
{
	struct lode_symbols *s = lode_symbols_new(&(struct lode_symbols_options){ .no_cache = 1 });
	struct lode_symbol_module *m = lode_symbols_module(s, path, NULL, 0);
	struct lode_symbol f[64];
	char line[64];

	while (fgets(line, sizeof(line), stdin)) {
		const uint64_t a = strtoull(line, NULL, 16);
		const size_t n = lode_symbols_resolve(m, a, f, 64);

		printf("0x%llx\n", (unsigned long long)a);
		for (size_t i = 0; i < n && i < 64; i++)
			printf("%s\n%s:%u\n", f[i].name, f[i].file ? f[i].file : "??", f[i].line);
	}
	lode_symbols_free(s);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inlined_frames_have_the_lines_of_their_calls),
		cmocka_unit_test(without_lines_the_symbol_table_answers),
		cmocka_unit_test(another_build_is_not_used),
		cmocka_unit_test(a_missing_file_gives_addresses),
		cmocka_unit_test(the_vdso_is_read_from_memory),
		cmocka_unit_test(plt_entries_have_the_name_of_what_they_call),
		cmocka_unit_test(the_cache_gives_the_same_answer_whatever_is_in_it),
		cmocka_unit_test(damaged_files_crash_nothing),
		cmocka_unit_test(names_have_no_parameter_lists),
		cmocka_unit_test(a_file_has_one_spelling),
		cmocka_unit_test(the_innermost_interval_wins),
	};

	if (argc > 1)
		return print_frames(argv[1]);
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return 1;
	dl_iterate_phdr(look_at_self, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
