/* Finds the interpreter, checks that it is laid out as its row says, and publishes it.
 *
 * Nothing here needs Py_Initialize to have run: what is read are symbols and static type objects. */
#include "python/interp.h"

#include <dlfcn.h>

#include "event.h"
#include "notice.h"
#include "python/code.h"
#include "python/walk.h"

struct lode_interp lode_interp;

/* What one look at the loader's list found. */
struct search {
	struct lode_image executable, image; /* image: libpython, or what contains it */
	bool has_image, is_first, is_unchanged;
};

static unsigned long long last_adds; /* dlpi_adds at the last look: objects loaded so far */
static bool is_over;                 /* found, or refused: objects loaded later change nothing */
static bool is_looking;

static int visit(struct dl_phdr_info *info, size_t bytes, void *data)
{
	struct search *search = data;
	struct lode_image image;

	(void)bytes;
	if (search->is_first && last_adds == info->dlpi_adds) {
		search->is_unchanged = true;
		return 1;
	}
	last_adds = info->dlpi_adds;
	lode_image_init(&image, info);
	if (search->is_first)
		search->executable = image;
	search->is_first = false;
	if (!lode_image_symbol(&image, "Py_GetVersion", NULL)) /* in every version, so that the old ones are named */
		return 0;
	search->image = image;
	search->has_image = true;
	return 1;
}

/* An executable that links against libpython may hold a copy of a data object (a copy relocation): that is the one
 * that everybody uses. */
static uintptr_t data_symbol(const struct search *search, const char *name)
{
	uintptr_t address = lode_image_symbol(&search->executable, name, NULL);

	return address ? address : lode_image_symbol(&search->image, name, NULL);
}

/* "3.8.18 (default, ..." or "3.14.0rc1 ...": the value of sys.hexversion. */
static uint32_t parse_version(const char *text)
{
	uint32_t parts[5] = {0}, level = 0xf;
	unsigned part = 0;

	for (; *text && *text != ' ' && part < 5; text++) {
		if (*text >= '0' && *text <= '9')
			parts[part] = parts[part] * 10 + (uint32_t)(*text - '0');
		else if (*text == '.')
			part++;
		else if (*text == 'a' || *text == 'b' || *text == 'r')
			level = *text == 'a' ? 0xa : *text == 'b' ? 0xb : 0xc, part = 3;
	}
	return (parts[0] & 0xff) << 24 | (parts[1] & 0xff) << 16 | (parts[2] & 0xff) << 8 | level << 4 |
	       (parts[3] & 0xf);
}

static uint32_t read_version(const struct search *search)
{
	uintptr_t version = data_symbol(search, "Py_Version"); /* from 3.11 */
	const char *(*get)(void) = (const char *(*)(void))lode_image_symbol(&search->image, "Py_GetVersion", NULL);

	if (version)
		return (uint32_t)*(const unsigned long *)version;
	return get ? parse_version(get()) : 0; /* may be called before Py_Initialize */
}

static bool is_equal(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

/* PyTypeObject.tp_basicsize, tp_members; PyMemberDef is {name, type, offset, flags, doc}: the same in all versions. */
#define TYPE_BASICSIZE 32
#define TYPE_MEMBERS 240
#define MEMBER_BYTES 40
#define MEMBER_OFFSET 16

static bool members_match(const struct lode_python_layout *layout, uintptr_t members)
{
	const struct {
		const char *name;
		uint16_t offset;
	} expected[] = {
		{"co_filename", layout->code_file},
		{"co_name", layout->code_name},
		{"co_qualname", layout->code_qualname},
		{"co_firstlineno", layout->code_first_line},
		{layout->minor < 10 ? "co_lnotab" : "co_linetable", layout->code_lines},
	};
	unsigned seen = 0;

	for (; members && lode_word(members, 0); members += MEMBER_BYTES) {
		const char *name = (const char *)lode_word(members, 0);

		for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
			if (!is_equal(name, expected[i].name))
				continue;
			if (lode_word(members, MEMBER_OFFSET) != expected[i].offset)
				return false;
			seen++;
		}
	}
	return seen == (layout->code_qualname ? 5 : 4);
}

/* Where the runtime and the interpreter state have what they have changes within a minor version: the interpreter says
 * it.  All else must be as the row has it, or the positions are not those of this version: alphas have others. */
static bool apply_debug_offsets(struct lode_interp *interp, const struct lode_python_debug *debug)
{
	struct lode_python_layout *layout = &interp->layout;
	uintptr_t at = interp->runtime, collecting;
	const struct {
		uint16_t position, offset;
	} expected[] = {
		{debug->thread_interp, layout->thread_interp},
		{debug->thread_frame, layout->thread_frame},
		{debug->thread_base_frame, layout->thread_base_frame},
		{debug->thread_id, layout->thread_id},
		{debug->thread_chunk, layout->thread_chunk},
		{debug->thread_gil, layout->thread_gil},
		{debug->frame_back, layout->frame_back},
		{debug->frame_code, layout->frame_code},
		{debug->frame_instr, layout->frame_instr},
		{debug->frame_owner, layout->frame_owner},
		{debug->code_file, layout->code_file},
		{debug->code_name, layout->code_name},
		{debug->code_qualname, layout->code_qualname},
		{debug->code_lines, layout->code_lines},
		{debug->code_first_line, layout->code_first_line},
		{debug->code_instructions, layout->code_instructions},
		{debug->unicode_state, layout->unicode_state},
		{debug->unicode_length, layout->unicode_length},
		{debug->unicode_ascii_bytes, layout->unicode_ascii_bytes},
	};

	if (__builtin_memcmp((const void *)at, LODE_PYTHON_DEBUG_COOKIE, 8) != 0 ||
	    lode_word(at, LODE_PYTHON_DEBUG_VERSION) != interp->hexversion)
		return false;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		if (expected[i].position && lode_word(at, expected[i].position) != expected[i].offset)
			return false;
	collecting = lode_word(at, debug->gc_collecting);
	if (collecting >= lode_word(at, debug->gc_collecting - 8u)) /* gc.size */
		return false;
	layout->runtime_finalizing = (uint32_t)lode_word(at, debug->runtime_finalizing);
	layout->runtime_interpreters = (uint32_t)lode_word(at, debug->runtime_interpreters);
	layout->interp_next = (uint32_t)lode_word(at, debug->interp_next);
	layout->interp_collecting = (uint32_t)(lode_word(at, debug->interp_gc) + collecting);
	return true;
}

static bool is_laid_out(struct lode_interp *interp)
{
	const struct lode_python_debug *debug = lode_python_debug(interp->layout.minor);

	if (debug && !apply_debug_offsets(interp, debug))
		return false;
	return lode_word(interp->code_type, TYPE_BASICSIZE) == interp->layout.code_basicsize &&
	       members_match(&interp->layout, lode_word(interp->code_type, TYPE_MEMBERS));
}

static void find_eval_loop(struct lode_interp *interp, const struct lode_image *image)
{
	size_t bytes = 0;
	uintptr_t start = lode_image_symbol(image, "_PyEval_EvalFrameDefault", &bytes);

	if (!start)
		return;
	interp->eval[0] = (struct lode_range){start, start + bytes};
	lode_image_cold_parts(image, interp->eval[0], interp->eval + 1, LODE_EVAL_PARTS - 1);
}

/* Says in a notice why not, where it returns false. */
static bool is_usable(struct lode_interp *interp)
{
	unsigned major = interp->hexversion >> 24, minor = interp->hexversion >> 16 & 0xff;
	const struct lode_python_layout *layout = major == 3 ? lode_python_layout(minor) : NULL;

	if (!layout) {
		lode_notice(LODE_NOTICE_MISSING,
			    "Python %u.%u is not known to this version of lode: native frames only", major, minor);
		return false;
	}
	interp->layout = *layout;
	if (!interp->runtime || !interp->code_type || !interp->unicode_type || !interp->bytes_type ||
	    !interp->own_state || !interp->eval[0].start || (layout->runtime_current && !interp->current_state)) {
		lode_notice(LODE_NOTICE_MISSING,
			    "Python %u.%u does not export what lode needs: native frames only", major, minor);
		return false;
	}
	if (lode_python_debug(minor) && lode_word(interp->runtime, LODE_PYTHON_DEBUG_FREE_THREADED) != 0) {
		lode_notice(LODE_NOTICE_MISSING,
			    "free-threaded Python %u.%u is not known to this version of lode: native frames only",
			    major, minor);
		return false;
	}
	if (!is_laid_out(interp)) {
		lode_notice(LODE_NOTICE_MISSING,
			    "this build of Python %u.%u has an unknown layout: native frames only", major, minor);
		return false;
	}
	return true;
}

static void fill(struct lode_interp *interp, const struct search *search)
{
	const struct lode_image *image = &search->image;

	*interp = (struct lode_interp){
		.hexversion = read_version(search),
		.runtime = data_symbol(search, "_PyRuntime"),
		.code_type = data_symbol(search, "PyCode_Type"),
		.unicode_type = data_symbol(search, "PyUnicode_Type"),
		.bytes_type = data_symbol(search, "PyBytes_Type"),
		.image_start = image->start,
		.image_end = image->end,
		.own_state = (void *(*)(void))lode_image_symbol(image, "PyGILState_GetThisThreadState", NULL),
		.current_state = (void *(*)(void))lode_image_symbol(image, "_PyThreadState_UncheckedGet", NULL),
		.get_allocator = lode_image_symbol(image, "PyMem_GetAllocator", NULL),
		.set_allocator = lode_image_symbol(image, "PyMem_SetAllocator", NULL),
		.get_arenas = lode_image_symbol(image, "PyObject_GetArenaAllocator", NULL),
		.set_arenas = lode_image_symbol(image, "PyObject_SetArenaAllocator", NULL),
	};
}

/* What was loaded later may be unloaded; the dealloc hook in its type object must not be left behind. */
static bool pin(const struct search *search)
{
	if (search->image.start == search->executable.start)
		return true;
	return dlopen(search->image.path, RTLD_NOLOAD | RTLD_LAZY | RTLD_NODELETE) != NULL;
}

static void look(void)
{
	struct search search = {.is_first = true};

	dl_iterate_phdr(visit, &search);
	if (search.is_unchanged || !search.has_image || !pin(&search))
		return;
	is_over = true;
	fill(&lode_interp, &search);
	find_eval_loop(&lode_interp, &search.image);
	if (!is_usable(&lode_interp))
		return;
	/* From 3.15 on the state is thread-local storage, which the loader allocates at a thread's first access where a
	 * library was loaded late (ELF Handling For Thread-Local Storage, 4.1). */
	lode_interp.is_state_lazy = lode_interp.layout.minor >= 15 && search.image.start != search.executable.start;
	lode_code_watch();
	__atomic_store_n(&lode_interp.is_known, true, __ATOMIC_RELEASE);
	lode_event_python(lode_interp.hexversion,
			  search.image.start == search.executable.start ? "static" : "shared");
	lode_python_make_ready();
}

void lode_interp_look(void)
{
	if (is_over || __atomic_exchange_n(&is_looking, true, __ATOMIC_ACQUIRE))
		return;
	look();
	__atomic_store_n(&is_looking, false, __ATOMIC_RELEASE);
}

bool lode_interp_is_known(void)
{
	return __atomic_load_n(&lode_interp.is_known, __ATOMIC_ACQUIRE);
}

bool lode_python_is_eval(uintptr_t pc)
{
	if (!lode_interp_is_known())
		return false;
	for (unsigned i = 0; i < LODE_EVAL_PARTS; i++)
		if (pc - lode_interp.eval[i].start < lode_interp.eval[i].end - lode_interp.eval[i].start)
			return true;
	return false;
}
