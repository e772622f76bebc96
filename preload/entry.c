/* The constructor and the destructor: the only reader of the environment, the only place where the agent is switched on.
 * Nothing here may fail loudly: where the log cannot be had, the program runs as if we were not there. */
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "event.h"
#include "life.h"
#include "modules.h"
#include "notice.h"
#include "os.h"
#include "process.h"
#include "real.h"
#include "sample.h"
#include "sampler.h"
#include "segment.h"
#include "signals.h"
#include "stacks.h"
#include "state.h"
#include "thread.h"

struct lode_config lode_config = {
#define X(name, kind, value, text) .name = value,
	LODE_OPTIONS_LIST(X)
#undef X
};

static struct lode_gate closed;
struct lode_gate *lode_gate = &closed;
void *lode_real_dlopen;

extern char **environ;
extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern const char _end[] __attribute__((visibility("hidden")));

bool lode_is_own_code(uintptr_t pc)
{
	return pc >= (uintptr_t)__ehdr_start && pc < (uintptr_t)_end;
}

/* ---- environment ---------------------------------------------------------------------------- */

static bool starts_with(const char *s, const char *prefix)
{
	while (*prefix)
		if (*s++ != *prefix++)
			return false;
	return true;
}

/* The slot in environ that holds NAME=..., NULL if none. */
static char **environment_slot(const char *name)
{
	for (char **e = environ; e && *e; e++) {
		const char *s = *e, *n = name;
		while (*n && *s == *n)
			s++, n++;
		if (!*n && *s == '=')
			return e;
	}
	return NULL;
}

static const char *environment(const char *name)
{
	char **slot = environment_slot(name);
	if (!slot)
		return NULL;
	const char *s = *slot;
	while (*s++ != '=')
		;
	return s;
}

static void environment_drop(const char *name)
{
	for (char **e = environment_slot(name); e && *e; e++)
		e[0] = e[1];
}

/* ---- options -------------------------------------------------------------------------------- */

static const char *parse_number(const char *s, uint32_t *value)
{
	uint64_t v = 0;
	while (*s >= '0' && *s <= '9' && v < UINT32_MAX)
		v = v * 10 + (uint64_t)(*s++ - '0');
	*value = v < UINT32_MAX ? (uint32_t)v : UINT32_MAX;
	return s;
}

static bool is_word(const char *s, const char *word)
{
	return starts_with(s, word) && (s[__builtin_strlen(word)] == ',' || s[__builtin_strlen(word)] == 0);
}

static void parse_MEMORY(const char *s, uint32_t *value)
{
#define X(name, word)         \
	if (is_word(s, word)) \
		*value = LODE_MEMORY_##name;
	LODE_MEMORY_WORDS(X)
#undef X
}

static void parse_NATIVE(const char *s, uint32_t *value)
{
#define X(name, word)         \
	if (is_word(s, word)) \
		*value = LODE_NATIVE_##name;
	LODE_NATIVE_WORDS(X)
#undef X
}

static void parse_NUMBER(const char *s, uint32_t *value)
{
	parse_number(s, value);
}

static const char *unknown_option; /* the last one: said once the log is there */

static void parse_options(const char *s)
{
	while (s && *s) {
		bool is_known = false;
#define X(name, kind, value, text)                                          \
		if (starts_with(s, #name "=")) {                            \
			parse_##kind(s + sizeof #name, &lode_config.name); \
			is_known = true;                                    \
		}
		LODE_OPTIONS_LIST(X)
#undef X
		if (!is_known)
			unknown_option = s;
		while (*s && *s != ',')
			s++;
		s += *s == ',';
	}
	if (lode_config.rate > 100000)
		lode_config.rate = 100000;
	if (!lode_config.sample)
		lode_config.sample = 1;
}

/* ---- output --------------------------------------------------------------------------------- */

static char output_variable[4300] = LODE_ENV_OUTPUT "=";

static const char *program_name(const char *path)
{
	const char *name = path;
	for (; *path; path++)
		if (*path == '/')
			name = path + 1;
	return name;
}

/* Writes the absolute path with %p and %n replaced, behind "LODE_OUTPUT=": what the children shall see. */
static const char *output_path(const char *pattern, const char *program)
{
	const size_t prefix = sizeof LODE_ENV_OUTPUT;
	char *at = output_variable + prefix, *end = output_variable + sizeof output_variable - 64;
	if (*pattern != '/') {
		ssize_t n = lode_os_getcwd(at, 4096);
		at += n > 1 ? n - 1 : 0; /* the kernel counts the final NUL */
		*at++ = '/';
	}
	for (; *pattern && at < end; pattern++) {
		if (pattern[0] == '%' && pattern[1] == 'p')
			at += lode_format(at, 16, "%d", lode_os_pid()), pattern++;
		else if (pattern[0] == '%' && pattern[1] == 'n')
			at += lode_format(at, (size_t)(end - at), "%s", program_name(program)), pattern++;
		else
			*at++ = *pattern;
	}
	*at = 0;
	return output_variable + prefix;
}

static bool open_log(const char *program)
{
	const char *output = environment(LODE_ENV_OUTPUT);
	const char *path = output_path(output && *output ? output : "%n.%p.lode", program ? program : "program");
	if (lode_log_open(path) < 0)
		return false;
	char **slot = environment_slot(LODE_ENV_OUTPUT);
	if (slot)
		*slot = output_variable; /* children come to the same file wherever they are */
	return true;
}

/* ---- on and off ----------------------------------------------------------------------------- */

static bool make_gate(void)
{
	struct lode_gate *gate = lode_os_map(4096);
	if (!gate)
		return false;
	lode_os_wipe_on_fork(gate, 4096);
	lode_gate = gate;
	return true;
}

static bool begin_main_thread(void)
{
	struct lode_thread *t = lode_thread_new();
	if (!t)
		return false;
	uintptr_t low = 0, high = 0;
	lode_os_main_stack(&low, &high);
	t->is_main = true;
	lode_life_begin(t, low, high, 0);
	t->busy = 2;
	return true;
}

/* Takes our element out of LD_PRELOAD (separated by colons or blanks), in place; the program's own stay. */
static void leave_preload(void)
{
	char **slot = environment_slot("LD_PRELOAD");
	if (!slot)
		return;
	char *to = *slot + sizeof "LD_PRELOAD", *from = to;
	while (*from) {
		char *end = from;
		while (*end && *end != ':' && *end != ' ')
			end++;
		char *next = *end ? end + 1 : end;
		if (end - from < 10 || !starts_with(end - 10, "liblode.so"))
			while (from < next)
				*to++ = *from++;
		from = next;
	}
	*to = 0;
	if (to == *slot + sizeof "LD_PRELOAD")
		environment_drop("LD_PRELOAD");
}

static void keep_to_ourselves(void)
{
	leave_preload();
	environment_drop(LODE_ENV_OUTPUT);
	environment_drop(LODE_ENV_OPTIONS);
}

/* Absent in musl, whose constructors get no arguments and which we do not know: there everything passes through. */
extern const char *gnu_get_libc_version(void) __attribute__((weak));

__attribute__((constructor)) static void start(int argc, char **argv)
{
	if (!gnu_get_libc_version)
		return;
	lode_real_resolve();
	lode_real_dlopen = (void *)lode_real.dlopen;
	lode_clock_init();
	lode_pid = lode_os_pid();
	if (!make_gate() || !open_log(argc ? argv[0] : NULL))
		return;
	lode_stream = __atomic_add_fetch(&lode_log->next_stream, 1, __ATOMIC_RELAXED);
	parse_options(environment(LODE_ENV_OPTIONS));
	lode_process_init(argc, argv);
	if (!lode_stacks_init() || !lode_life_init() || !lode_sample_init())
		return;
	if (lode_config.rate)
		lode_sampler_init();
	if (!begin_main_thread())
		return;
	lode_signals_begin_thread(lode_self, false);
	if (!lode_config.children)
		keep_to_ourselves();
	lode_process_begin(LODE_BEGIN_START, 0);
	const char *unseen = lode_config.memory != LODE_MEMORY_OFF ? lode_real_unseen_new() : NULL;
	if (unseen)
		lode_notice(LODE_NOTICE_MISSING, "operator new and delete of %s do not go through malloc: not seen", unseen);
	if (unknown_option)
		lode_notice(LODE_NOTICE_INFO, "LODE_OPTIONS: not known: %s", unknown_option);
	lode_self->busy = 0;
}

__attribute__((destructor)) static void stop(void)
{
	lode_process_end();
}
