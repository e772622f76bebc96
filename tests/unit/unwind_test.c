/* link: preload/ehframe.c preload/unwind_table.c preload/unwind_libunwind.c preload/modules.c tests/unit/unwind_work.c -lunwind -lz -ldl */
/* Native stacks: the tables against libunwind, at every instruction (the trap flag), in callbacks, through signal frames,
 * against random registers, against dlclose; the parser against bytes made by hand and made wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define UNW_LOCAL_ONLY
#include <dlfcn.h>
#include <libunwind.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "ehframe.h"
#include "event.h"
#include "mem.h"
#include "modules.h"
#include "notice.h"
#include "os.h"
#include "unwind.h"
#include "unwind_table.h"
#include "unwind_work.h"

#define FRAMES 256
#define SLOTS 512

/* ---- what the linked files need of others ---- */

static unsigned modules_written, modules_gone;

void *lode_mem_alloc(size_t bytes) { return malloc(bytes); }
void *lode_mem_alloc_zeroed(size_t bytes) { return calloc(1, bytes); }
void *lode_mem_realloc(void *p, size_t bytes) { return realloc(p, bytes); }
void lode_mem_free(void *p) { free(p); }
void lode_event_module(uint32_t id, uint32_t epoch, uintptr_t bias, uintptr_t start, uintptr_t end,
		       struct lode_event_bytes build_id, const char *path)
{
	(void)id, (void)epoch, (void)bias, (void)start, (void)end, (void)build_id, (void)path;
	__atomic_fetch_add(&modules_written, 1, __ATOMIC_RELAXED);
}
void lode_event_module_gone(uint32_t id) { (void)id; __atomic_fetch_add(&modules_gone, 1, __ATOMIC_RELAXED); }
void lode_notice(enum lode_severity severity, const char *format, ...) { (void)severity; (void)format; }
ssize_t lode_os_readlink(const char *path, char *buf, size_t n) { return readlink(path, buf, n); }
ssize_t lode_os_getcwd(char *buf, size_t n) { return getcwd(buf, n) ? (ssize_t)strlen(buf) + 1 : -1; }
int lode_os_tid(void) { return gettid(); }
void lode_os_yield(void) { sched_yield(); }

uint64_t lode_os_monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- the two engines ---- */

struct stack {
	struct lode_unwind u;
	struct lode_native_frame frames[FRAMES];
	struct lode_slot slots[SLOTS];
};

static __thread uintptr_t stack_low, stack_high;

static void read_stack_bounds(void)
{
	pthread_attr_t attr;
	void *low;
	size_t bytes;

	pthread_getattr_np(pthread_self(), &attr);
	pthread_attr_getstack(&attr, &low, &bytes);
	pthread_attr_destroy(&attr);
	stack_low = (uintptr_t)low;
	stack_high = stack_low + bytes;
}

static void walk(struct stack *s, uintptr_t pc, uintptr_t sp, uintptr_t bp, bool is_exact, uintptr_t low, uintptr_t high)
{
	s->u = (struct lode_unwind){ .pc = pc, .sp = sp, .bp = bp, .pc_is_exact = is_exact, .stack_low = low,
				     .stack_high = high, .frames = s->frames, .capacity = FRAMES, .slots = s->slots,
				     .slot_capacity = SLOTS };
	lode_unwind(&s->u);
}

static unsigned oracle(ucontext_t *context, uintptr_t *pcs, bool is_signal)
{
	unw_cursor_t cursor;
	unw_word_t pc;
	unsigned depth = 0;

	if (unw_init_local2(&cursor, (unw_context_t *)context, is_signal ? UNW_INIT_SIGNAL_FRAME : 0) < 0)
		return 0;
	do {
		unw_get_reg(&cursor, UNW_REG_IP, &pc);
		if (!pc)
			break;
		pcs[depth++] = pc;
	} while (depth < FRAMES && unw_step(&cursor) > 0);
	return depth;
}

static struct {
	unsigned compared, wrong, unsupported, without_table;
	uintptr_t wrong_pc;
	unsigned wrong_flags;
} tally;

static void print_difference(const struct stack *s, const uintptr_t *pcs, unsigned depth)
{
	Dl_info info;

	for (unsigned i = 0; i < depth || i < s->u.depth; i++) {
		uintptr_t ours = i < s->u.depth ? s->frames[i].pc : 0, theirs = i < depth ? pcs[i] : 0;
		bool is_named = dladdr((void *)(ours ? ours : theirs), &info) && info.dli_fname;

		fprintf(stderr, "%2u %12lx %12lx cfa %lx %s+%lx %s\n", i, ours, theirs, i < s->u.depth ? s->frames[i].cfa : 0,
			is_named ? info.dli_fname : "?", is_named ? (ours ? ours : theirs) - (uintptr_t)info.dli_fbase : 0,
			is_named && info.dli_sname ? info.dli_sname : "?");
	}
	fprintf(stderr, "flags %x\n", s->u.flags);
}

/* Equal, or honestly cut at a rule that the tables cannot hold. */
static void compare(const struct stack *s, const uintptr_t *pcs, unsigned depth)
{
	bool is_equal = s->u.depth == depth;

	tally.compared++;
	if (s->u.flags & (LODE_UNWIND_UNSUPPORTED | LODE_UNWIND_NO_TABLE)) {
		tally.unsupported += !!(s->u.flags & LODE_UNWIND_UNSUPPORTED);
		tally.without_table += !!(s->u.flags & LODE_UNWIND_NO_TABLE);
		is_equal = s->u.depth <= depth || (s->u.flags & LODE_UNWIND_NO_TABLE);
	} else if (!(s->u.flags & LODE_UNWIND_END)) {
		is_equal = false;
	}
	for (unsigned i = 0; i < depth && i < s->u.depth && is_equal; i++)
		is_equal = s->frames[i].pc == pcs[i];
	if (!is_equal && !tally.wrong++) {
		tally.wrong_pc = pcs[0];
		tally.wrong_flags = s->u.flags;
		print_difference(s, pcs, depth);
	}
}

/* ---- every instruction ---- */

static unsigned step_every = 1, step_count;
static bool is_oracle_unsound;

static void on_trap(int signal, siginfo_t *info, void *data)
{
	static struct stack s;
	static uintptr_t pcs[FRAMES];
	ucontext_t *c = data;
	const greg_t *r = c->uc_mcontext.gregs;

	(void)signal;
	(void)info;
	if (++step_count % step_every)
		return;
	walk(&s, (uintptr_t)r[REG_RIP], (uintptr_t)r[REG_RSP], (uintptr_t)r[REG_RBP], true, stack_low, stack_high);
	if (is_oracle_unsound && (s.u.depth == 1 || *(const uint8_t *)s.u.pc == 0xc3))
		tally.wrong += !(s.u.flags & (LODE_UNWIND_END | LODE_UNWIND_UNSUPPORTED));
	else
		compare(&s, pcs, oracle(c, pcs, true));
}

static __attribute__((noinline)) void step_through(void (*work)(void))
{
	struct sigaction action = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };

	memset(&tally, 0, sizeof(tally));
	sigaction(SIGTRAP, &action, NULL);
	__asm__ volatile("sub $128, %%rsp\n\tpushfq\n\torl $0x100, (%%rsp)\n\tpopfq\n\tadd $128, %%rsp" ::: "cc", "memory");
	work();
	__asm__ volatile("sub $128, %%rsp\n\tpushfq\n\tandl $0xfffffeff, (%%rsp)\n\tpopfq\n\tadd $128, %%rsp" ::: "cc", "memory");
	print_message("%u instructions, %u stacks, %u wrong, %u cut at unsupported rules, %u at code without rows\n",
		      step_count, tally.compared, tally.wrong, tally.unsupported, tally.without_table);
}

static void assert_steps_are_right(void (*work)(void), unsigned every)
{
	work(); /* resolves functions: the loader's resolver keeps its stack pointer in rbx */
	step_every = every;
	step_count = 0;
	step_through(work);
	assert_true(tally.compared > 500);
	assert_int_equal(tally.wrong, 0);
	assert_true(tally.unsupported <= tally.compared / 10); /* the realigned functions' prologues use r10 */
	assert_int_equal(tally.without_table, 0);
}

static void each_instruction_of_plain_code_unwinds_as_libunwind_says(void **state)
{
	(void)state;
	assert_steps_are_right(work_plain, 3);
}

static void each_instruction_of_code_with_frame_pointers_unwinds(void **state)
{
	(void)state;
	assert_steps_are_right(work_frame_pointers, 1);
}

static void each_instruction_of_libc_and_zlib_unwinds(void **state)
{
	(void)state;
	assert_steps_are_right(work_libraries, 29);
}

static void a_realigned_stack_and_alloca_unwind(void **state)
{
	(void)state;
	/* GCC's rows say in epilogues that rbp lies where it was popped from: libunwind skips a frame there, or crashes. */
	is_oracle_unsound = true;
	assert_steps_are_right(work_realigned, 1);
	is_oracle_unsound = false;
}

static void the_vdso_unwinds(void **state)
{
	(void)state;
	assert_steps_are_right(work_clock, 1);
}

/* ---- hooks: from a callback, with slots ---- */

struct remembered {
	uintptr_t sp, bp;
	struct stack s;
};

#define REMEMBERED 64
static struct remembered remembered[REMEMBERED];
static unsigned replays_matched, replays_wrong, replays_missed;

static bool slots_still_hold(const struct stack *s)
{
	for (uint32_t i = 0; i < s->u.slot_count; i++) {
		if (*s->slots[i].address != s->slots[i].value)
			return false;
	}
	return true;
}

static void check_replay(const struct stack *now)
{
	struct remembered *r = &remembered[((now->u.sp >> 4) ^ (now->u.pc >> 2)) % REMEMBERED];
	bool is_candidate = r->s.u.depth && r->s.u.pc == now->u.pc && r->sp == now->u.sp &&
			    !(r->s.u.flags & LODE_UNWIND_NOT_REPLAYABLE) &&
			    (!(r->s.u.flags & LODE_UNWIND_USES_BP) || r->bp == now->u.bp);

	if (is_candidate && slots_still_hold(&r->s)) {
		replays_matched++;
		replays_wrong += r->s.u.depth != now->u.depth ||
				 memcmp(r->s.frames, now->frames, now->u.depth * sizeof(now->frames[0])) != 0;
	} else {
		replays_missed++;
	}
	r->sp = now->u.sp;
	r->bp = now->u.bp;
	r->s = *now;
}

/* As a hook sees the stack: the registers of its own caller. */
__attribute__((noinline)) void work_probe(void)
{
	static __thread struct stack s;
	static __thread uintptr_t pcs[FRAMES];
	static __thread ucontext_t context;

	unw_getcontext((unw_context_t *)&context);
	if (!stack_low)
		read_stack_bounds();
	walk(&s, (uintptr_t)context.uc_mcontext.gregs[REG_RIP], (uintptr_t)context.uc_mcontext.gregs[REG_RSP],
	     (uintptr_t)context.uc_mcontext.gregs[REG_RBP], false, stack_low, stack_high);
	if (getpid() != gettid())
		return;
	compare(&s, pcs, oracle(&context, pcs, false));
	check_replay(&s);
}

static void stacks_in_callbacks_replay_to_the_same(void **state)
{
	(void)state;
	memset(&tally, 0, sizeof(tally));
	for (int i = 0; i < 20; i++)
		work_callbacks();
	print_message("%u stacks, %u replayed, %u not\n", tally.compared, replays_matched, replays_missed);
	assert_int_equal(tally.wrong, 0);
	assert_int_equal(tally.unsupported, 0);
	assert_int_equal(replays_wrong, 0);
	assert_true(replays_matched > 1000);
}

/* Under a function whose CFA is in rbx, with more functions of that kind above it. */
static struct stack slow;
static uintptr_t slow_pcs[FRAMES];
static unsigned slow_depth;
static uint32_t slow_first_flags;

__attribute__((noinline)) void work_slow_probe(void)
{
	ucontext_t context;

	unw_getcontext((unw_context_t *)&context);
	walk(&slow, (uintptr_t)__builtin_return_address(0), (uintptr_t)__builtin_dwarf_cfa(),
	     *(uintptr_t *)__builtin_frame_address(0), false, stack_low, stack_high);
	slow_first_flags = slow.u.flags;
	lode_unwind_slow(&slow.u);
	slow_depth = oracle(&context, slow_pcs, false) - 1;
}

static void libunwind_goes_on_where_the_tables_stop(void **state)
{
	(void)state;
	work_rbx_frames(3);
	assert_int_equal(slow_first_flags & LODE_UNWIND_UNSUPPORTED, LODE_UNWIND_UNSUPPORTED);
	assert_int_equal(slow.u.flags & LODE_UNWIND_UNSUPPORTED, LODE_UNWIND_UNSUPPORTED);
	assert_true(lode_modules_refresh_wanted());
	lode_modules_refresh();
	work_rbx_frames(3);
	assert_int_equal(slow_first_flags & LODE_UNWIND_UNSUPPORTED, LODE_UNWIND_UNSUPPORTED);
	assert_int_equal(slow.u.flags & ~(unsigned)LODE_UNWIND_USES_BP, LODE_UNWIND_END | LODE_UNWIND_NOT_REPLAYABLE);
	assert_int_equal(slow.u.depth, slow_depth);
	for (unsigned i = 0; i < slow_depth; i++)
		assert_int_equal(slow.frames[i].pc, slow_pcs[i + 1]);
	for (unsigned i = 1; i + 1 < slow_depth; i++)
		assert_true(slow.frames[i].cfa > slow.frames[i - 1].cfa);
}

static void on_user_signal(int signal)
{
	(void)signal;
	work_probe();
}

static void a_signal_frame_is_crossed(void **state)
{
	(void)state;
	memset(&tally, 0, sizeof(tally));
	signal(SIGUSR1, on_user_signal);
	for (int i = 0; i < 10; i++)
		raise(SIGUSR1);
	assert_int_equal(tally.compared, 10);
	assert_int_equal(tally.wrong, 0);
	assert_int_equal(tally.unsupported, 0);
}

static struct stack alternate;
static char alternate_stack[65536];

static void on_alternate_stack(int signal)
{
	(void)signal;
	walk(&alternate, (uintptr_t)__builtin_return_address(0), (uintptr_t)__builtin_dwarf_cfa(), 0, false,
	     (uintptr_t)alternate_stack, (uintptr_t)alternate_stack + sizeof(alternate_stack));
}

static void an_alternate_stack_ends_with_what_was_interrupted(void **state)
{
	stack_t stack = { .ss_sp = alternate_stack, .ss_size = sizeof(alternate_stack) };
	struct sigaction action = { .sa_handler = on_alternate_stack, .sa_flags = SA_ONSTACK };

	(void)state;
	sigaltstack(&stack, NULL);
	sigaction(SIGUSR2, &action, NULL);
	raise(SIGUSR2);
	assert_int_equal(alternate.u.flags & LODE_UNWIND_BAD, LODE_UNWIND_BAD);
	assert_int_equal(alternate.u.depth, 2);
	assert_non_null(lode_modules_find(alternate.frames[1].pc));
}

/* ---- what must not hurt ---- */

static uint64_t random_state = 88172645463325252u;

static uint64_t random_word(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	return random_state ^= random_state << 17;
}

static uintptr_t random_pc(void)
{
	const struct lode_module_set *set = lode_modules_current();
	const struct lode_module *m = set->modules[random_word() % set->count];

	return m->text_start + random_word() % (m->text_end - m->text_start + 1);
}

/* A mapping with nothing readable around it. */
static uint8_t *guarded_memory(size_t bytes)
{
	uint8_t *p = mmap(NULL, bytes + 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(mprotect(p + 4096, bytes, PROT_READ | PROT_WRITE), 0);
	return p + 4096;
}

static uintptr_t random_stack_word(uintptr_t low, size_t bytes)
{
	switch (random_word() % 4) {
	case 0: return random_pc();
	case 1: return low + (random_word() % bytes & ~7u);
	case 2: return random_word() % 64;
	default: return random_word();
	}
}

static void random_registers_never_read_outside_the_stack(void **state)
{
	enum { BYTES = 4096 };
	uintptr_t *memory = (uintptr_t *)guarded_memory(BYTES);
	uintptr_t low = (uintptr_t)memory;
	static struct stack s;
	unsigned long deepest = 0;

	(void)state;
	for (int i = 0; i < 1000000; i++) {
		uintptr_t pc = random_word() % 8 ? random_pc() : random_word();
		uintptr_t sp = random_word() % 8 ? low + (random_word() % BYTES & ~7u) : random_word();
		uintptr_t bp = random_word() % 4 ? low + random_word() % BYTES : random_word();

		if (i % 16 == 0) {
			for (size_t w = 0; w < BYTES / sizeof(*memory); w++)
				memory[w] = random_stack_word(low, BYTES);
		}
		walk(&s, pc, sp, bp, i & 1, low, low + BYTES);
		if (s.u.depth > deepest)
			deepest = s.u.depth;
		for (uint32_t k = 0; k < s.u.slot_count; k++)
			assert_in_range((uintptr_t)s.slots[k].address, low, low + BYTES - 8);
	}
	print_message("deepest %lu\n", deepest);
	assert_true(deepest > 4);
}

static void capacities_of_nothing_are_honoured(void **state)
{
	struct stack s;

	(void)state;
	walk(&s, (uintptr_t)__builtin_return_address(0), (uintptr_t)__builtin_dwarf_cfa(),
	     *(uintptr_t *)__builtin_frame_address(0), false, stack_low, stack_high);
	assert_true(s.u.depth > 2);
	s.u.capacity = 2;
	s.u.slot_capacity = 1;
	lode_unwind(&s.u);
	assert_int_equal(s.u.depth, 2);
	assert_int_equal(s.u.slot_count, 1);
	assert_int_equal(s.u.flags & ~(unsigned)LODE_UNWIND_USES_BP, LODE_UNWIND_TRUNCATED | LODE_UNWIND_NOT_REPLAYABLE);
	s.u.capacity = 0;
	lode_unwind(&s.u);
	assert_int_equal(s.u.depth, 0);
	s.u.capacity = FRAMES;
	s.u.stack_low = s.u.stack_high = 0;
	lode_unwind(&s.u);
	assert_int_equal(s.u.depth, 1);
	assert_int_equal(s.u.flags & LODE_UNWIND_BAD, LODE_UNWIND_BAD);
}

/* ---- modules ---- */

static bool count_module(const struct lode_module *m, void *data)
{
	assert_non_null(m->path);
	assert_true(m->path[0] == '/' || !strcmp(m->path, "[vdso]"));
	assert_true(m->end > m->start);
	*(unsigned *)data += 1;
	return false;
}

static void each_loaded_object_is_a_module_with_a_table(void **state)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const struct lode_module *m;
	unsigned count = 0;

	(void)state;
	lode_modules_refresh();
	lode_modules_each(count_module, &count);
	assert_true(count >= 5);
	lode_modules_enter();
	m = lode_modules_find((uintptr_t)count_module);
	assert_non_null(m);
	assert_non_null(m->table);
	self[n] = '\0';
	assert_string_equal(m->path, self);
	m = lode_modules_find((uintptr_t)unw_set_caching_policy);
	assert_non_null(m);
	assert_non_null(strstr(m->path, "libunwind.so"));
	assert_int_equal(m->build_id_bytes, 20);
	assert_null(lode_modules_find(16));
	assert_null(lode_modules_find(UINTPTR_MAX));
	lode_modules_leave();
}

static uint32_t module_id(const void *p, uint32_t *epoch)
{
	const struct lode_module *m;
	uint32_t id;

	lode_modules_refresh();
	lode_modules_enter();
	m = lode_modules_find((uintptr_t)p);
	id = m ? m->id : 0;
	if (epoch)
		*epoch = m ? m->epoch : 0;
	lode_modules_leave();
	return id;
}

static void nothing_is_written_again_when_nothing_changed(void **state)
{
	unsigned before = modules_written;

	(void)state;
	lode_modules_refresh();
	assert_int_equal(modules_written, before);
	lode_modules_fork_prepare();
	lode_modules_refresh();
	assert_true(lode_modules_refresh_wanted());
	lode_modules_fork_parent();
	lode_modules_fork_child();
	assert_true(modules_written >= before + 5);
	lode_modules_refresh();
	assert_false(lode_modules_refresh_wanted());
}

/* Loads a library, gives the address of one of its functions. */
static void *load(const char *name, const char *function, void **address)
{
	void *handle = dlopen(name, RTLD_NOW);

	*address = handle ? dlsym(handle, function) : NULL;
	return handle;
}

static void a_library_that_returns_keeps_its_identity_and_another_gets_an_epoch(void **state)
{
	void *first, *second, *handle = load("libbz2.so.1.0", "BZ2_bzCompressInit", &first);
	uint32_t id, epoch, other_epoch, before;

	(void)state;
	if (!handle)
		skip();
	id = module_id(first, &epoch);
	assert_int_not_equal(id, 0);
	dlclose(handle);
	assert_int_equal(module_id(first, NULL), 0);
	handle = load("libbz2.so.1.0", "BZ2_bzCompressInit", &second);
	if (second != first)
		skip();
	assert_int_equal(module_id(first, NULL), id);
	dlclose(handle);
	lode_modules_refresh();
	before = lode_modules_epoch();
	handle = load("libexpat.so.1", "XML_Parse", &second);
	if (!handle || module_id(first, &other_epoch) == 0)
		skip();
	assert_int_not_equal(module_id(first, NULL), id);
	assert_true(lode_modules_epoch() > before);
	assert_int_equal(other_epoch, lode_modules_epoch());
	dlclose(handle);
	handle = load("libbz2.so.1.0", "BZ2_bzCompressInit", &second);
	assert_int_not_equal(module_id(second, &other_epoch), id);
	if (second == first)
		assert_true(other_epoch > epoch);
	dlclose(handle);
}

static bool is_stopping;

static void *load_and_unload(void *name)
{
	while (!__atomic_load_n(&is_stopping, __ATOMIC_RELAXED)) {
		void *handle = dlopen(name, RTLD_NOW);

		lode_modules_refresh();
		if (handle)
			dlclose(handle);
		lode_modules_refresh();
	}
	return NULL;
}

static void *unwind_on(void *data)
{
	while (!__atomic_load_n(&is_stopping, __ATOMIC_RELAXED))
		work_callbacks();
	return data;
}

static void libraries_may_come_and_go_under_walks(void **state)
{
	pthread_t threads[4];
	unsigned before = modules_gone;

	(void)state;
	pthread_create(&threads[0], NULL, load_and_unload, "libbz2.so.1.0");
	pthread_create(&threads[1], NULL, load_and_unload, "libexpat.so.1");
	pthread_create(&threads[2], NULL, unwind_on, NULL);
	pthread_create(&threads[3], NULL, unwind_on, NULL);
	usleep(700000);
	__atomic_store_n(&is_stopping, true, __ATOMIC_RELAXED);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	print_message("%u modules went\n", modules_gone - before);
	lode_modules_refresh();
}

/* ---- the parser ---- */

struct image {
	uint8_t *at;
	size_t used;
};

static void put(struct image *i, const void *bytes, size_t n)
{
	memcpy(i->at + i->used, bytes, n);
	i->used += n;
}

static void put_u32(struct image *i, uint32_t value)
{
	put(i, &value, 4);
}

enum { IMAGE_BYTES = 8192, CODE_AT = 4096 };

static struct lode_ehframe_input image_input(const struct image *i)
{
	uintptr_t start = (uintptr_t)i->at;

	return (struct lode_ehframe_input){ .start = start, .end = start + IMAGE_BYTES, .header = start, .segment_count = 1,
					    .segments = { { start, start + IMAGE_BYTES } } };
}

/* .eh_frame_hdr without an index, one CIE (zR or zRS), one FDE over 0x100 bytes of "code". */
static void image_begin(struct image *i, bool is_signal)
{
	static const uint8_t header[] = { 1, 0x1b, 0xff, 0xff, 4, 0, 0, 0 };
	/* version, augmentation, code align 1, data align -8, RA 16, data: pcrel sdata4; rsp + 8, RA at cfa - 8 */
	static const uint8_t cie[] = "\x01zR\0\x01\x78\x10\x01\x1b\x0c\x07\x08\x90\x01";
	static const uint8_t signal_cie[] = "\x01zRS\0\x01\x78\x10\x01\x1b\x0c\x07\x08\x90\x01\0\0";

	i->used = 0;
	memset(i->at, 0, IMAGE_BYTES);
	put(i, header, sizeof(header));
	put_u32(i, 4 + (is_signal ? 17 : 14));
	put_u32(i, 0);
	put(i, is_signal ? signal_cie : cie, is_signal ? 17 : 14);
}

static void image_add_function(struct image *i, uint32_t at, uint32_t bytes, const void *program, size_t n)
{
	put_u32(i, (uint32_t)(13 + n));
	put_u32(i, (uint32_t)(i->used - 8));
	put_u32(i, at - (uint32_t)i->used);
	put_u32(i, bytes);
	put(i, "", 1);
	put(i, program, n);
}

static struct lode_unwind_table *build(struct image *i, const void *program, size_t n, bool is_signal)
{
	struct lode_ehframe_input in = image_input(i);

	image_begin(i, is_signal);
	image_add_function(i, CODE_AT, 0x100, program, n);
	put_u32(i, 0);
	return lode_ehframe_build(&in);
}

static void assert_rule(const struct lode_unwind_table *t, uint32_t offset, unsigned cfa, int cfa_offset, unsigned rbp,
			int rbp_offset)
{
	struct lode_unwind_rule rule = lode_unwind_table_find(t, CODE_AT + offset);

	assert_int_equal(rule.cfa, cfa);
	assert_int_equal(rule.cfa_offset, cfa_offset);
	assert_int_equal(rule.rbp, rbp);
	assert_int_equal(rule.rbp_offset, rbp_offset);
}

#define PROGRAM(...) (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ })

static void a_prologue_becomes_three_rows_and_a_gap(void **state)
{
	struct image i = { guarded_memory(IMAGE_BYTES), 0 };
	/* advance 1, cfa offset 16, rbp at -16, advance 3, cfa register rbp, advance1 0xf0, cfa rsp 8 */
	struct lode_unwind_table *t = build(&i, PROGRAM(0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6, 2, 0xf0, 0x0c, 7, 8), false);

	(void)state;
	assert_non_null(t);
	assert_int_equal(t->count, 5);
	assert_rule(t, (uint32_t)-1, LODE_CFA_NONE, 0, 0, 0);
	assert_rule(t, 0, LODE_CFA_RSP, 8, LODE_RBP_SAME, 0);
	assert_rule(t, 1, LODE_CFA_RSP, 16, LODE_RBP_AT_CFA, -2);
	assert_rule(t, 3, LODE_CFA_RSP, 16, LODE_RBP_AT_CFA, -2);
	assert_rule(t, 4, LODE_CFA_RBP, 16, LODE_RBP_AT_CFA, -2);
	assert_rule(t, 0xf3, LODE_CFA_RBP, 16, LODE_RBP_AT_CFA, -2);
	assert_rule(t, 0xf4, LODE_CFA_RSP, 8, LODE_RBP_AT_CFA, -2);
	assert_rule(t, 0xff, LODE_CFA_RSP, 8, LODE_RBP_AT_CFA, -2);
	assert_rule(t, 0x100, LODE_CFA_NONE, 0, 0, 0);
	assert_rule(t, 0xfff, LODE_CFA_NONE, 0, 0, 0);
	lode_mem_free(t);
}

static void remembered_states_come_back(void **state)
{
	struct image i = { guarded_memory(IMAGE_BYTES), 0 };
	struct lode_unwind_table *t = build(&i, PROGRAM(0x0e, 32, 0x86, 3, 0x0a, 0x44, 0x0e, 8, 0xc6, 0x44, 0x0b), false);

	(void)state;
	assert_rule(t, 0, LODE_CFA_RSP, 32, LODE_RBP_AT_CFA, -3);
	assert_rule(t, 4, LODE_CFA_RSP, 8, LODE_RBP_SAME, 0);
	assert_rule(t, 8, LODE_CFA_RSP, 32, LODE_RBP_AT_CFA, -3);
	lode_mem_free(t);
}

static void expressions_that_are_known_become_rules(void **state)
{
	struct image i = { guarded_memory(IMAGE_BYTES), 0 };
	struct lode_unwind_table *t;

	(void)state;
	t = build(&i, PROGRAM(0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22), false);
	assert_rule(t, 0, LODE_CFA_PLT, 11, 0, 0);
	lode_mem_free(t);
	/* cfa = *(rbp - 8), rbp at rbp + 0: a stack realigned by GCC */
	t = build(&i, PROGRAM(0x0f, 3, 0x76, 0x78, 0x06, 0x10, 6, 2, 0x76, 0), false);
	assert_rule(t, 0, LODE_CFA_AT_RBP, -8 * 256, LODE_RBP_AT_RBP, 0);
	lode_mem_free(t);
	/* cfa = *(rsp + 0x100) + 8: OpenSSL */
	t = build(&i, PROGRAM(0x0f, 6, 0x77, 0x80, 0x02, 0x06, 0x23, 8), false);
	assert_rule(t, 0, LODE_CFA_AT_RSP, 0x100 * 256 + 8, 0, 0);
	lode_mem_free(t);
	/* cfa = r10 + 0, then rsp again: only the first is unsupported */
	t = build(&i, PROGRAM(0x0c, 10, 0, 0x41, 0x0c, 7, 24), false);
	assert_rule(t, 0, LODE_CFA_UNSUPPORTED, 0, 0, 0);
	assert_rule(t, 1, LODE_CFA_RSP, 24, 0, 0);
	assert_int_equal(t->unsupported, 1);
	lode_mem_free(t);
}

static void an_undefined_return_address_is_the_end_and_a_signal_frame_a_signal_frame(void **state)
{
	struct image i = { guarded_memory(IMAGE_BYTES), 0 };
	struct lode_unwind_table *t = build(&i, PROGRAM(0x07, 16), false);

	(void)state;
	assert_rule(t, 0, LODE_CFA_RSP | LODE_CFA_END, 8, 0, 0);
	lode_mem_free(t);
	t = build(&i, PROGRAM(0x10, 16, 3, 0x77, 0xa8, 0x01), true);
	assert_rule(t, 0, LODE_CFA_SIGNAL, 0, 0, 0);
	lode_mem_free(t);
	t = build(&i, PROGRAM(0x10, 16, 3, 0x77, 0xa8, 0x01), false);
	assert_rule(t, 0, LODE_CFA_UNSUPPORTED, 0, 0, 0);
	lode_mem_free(t);
}

static void a_malformed_function_does_not_spoil_its_neighbour(void **state)
{
	struct image i = { guarded_memory(IMAGE_BYTES), 0 };
	struct lode_ehframe_input in = image_input(&i);
	struct lode_unwind_table *t;

	(void)state;
	image_begin(&i, false);
	image_add_function(&i, CODE_AT + 0x200, 0x10, PROGRAM(0x0e, 16));
	image_add_function(&i, CODE_AT, 0x100, PROGRAM(0x41, 0x0e, 24, 0x41, 0x3f));
	put_u32(&i, 0);
	t = lode_ehframe_build(&in);
	assert_rule(t, 0, LODE_CFA_RSP, 8, 0, 0);
	assert_rule(t, 1, LODE_CFA_RSP, 24, 0, 0);
	assert_rule(t, 2, LODE_CFA_UNSUPPORTED, 0, 0, 0);
	assert_rule(t, 0x200, LODE_CFA_RSP, 16, 0, 0);
	assert_rule(t, 0x210, LODE_CFA_NONE, 0, 0, 0);
	lode_mem_free(t);
}

static void assert_table_is_sound(const struct lode_unwind_table *t)
{
	for (uint32_t i = 1; i < t->count; i++)
		assert_true(t->locations[i - 1] < t->locations[i]);
	assert_int_equal(t->rules[t->count - 1].cfa, LODE_CFA_NONE);
}

/* Random programs, with a few bytes around them made wrong too, up against unreadable memory. */
static void mutated_sections_are_read_in_bounds(void **state)
{
	size_t bytes = 65536;
	uint8_t *memory = guarded_memory(bytes);
	struct image i = { memory + bytes - 2048, 0 };
	unsigned built = 0;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		struct lode_ehframe_input in = { .start = (uintptr_t)memory, .end = (uintptr_t)memory + bytes,
						 .header = (uintptr_t)i.at, .segment_count = 1,
						 .segments = { { (uintptr_t)memory, (uintptr_t)memory + bytes } } };
		struct lode_unwind_table *t;

		i.used = 0;
		memset(i.at, 0, 2048);
		put(&i, "\x01\x1b\xff\xff\x04\0\0", 8);
		put_u32(&i, 18);
		put_u32(&i, 0);
		put(&i, "\x01zR\0\x01\x78\x10\x01\x1b\x0c\x07\x08\x90\x01", 14);
		for (int f = 0; f < 8; f++) {
			uint8_t program[40];

			for (size_t k = 0; k < sizeof(program); k++)
				program[k] = (uint8_t)(random_word() % 4 ? random_word() % 0x30 : random_word());
			put_u32(&i, 53);
			put_u32(&i, (uint32_t)(i.used - 8));
			put_u32(&i, (uint32_t)(f * 256 - (int)(i.at + i.used - memory)));
			put_u32(&i, 200);
			put(&i, "", 1);
			put(&i, program, sizeof(program));
		}
		for (uint64_t k = random_word() % 4; k > 0; k--)
			i.at[random_word() % i.used] = (uint8_t)random_word();
		t = lode_ehframe_build(&in);
		if (t) {
			built++;
			assert_table_is_sound(t);
			lode_mem_free(t);
		}
	}
	print_message("%u of 20000 gave tables\n", built);
	assert_true(built > 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_loaded_object_is_a_module_with_a_table),
		cmocka_unit_test(nothing_is_written_again_when_nothing_changed),
		cmocka_unit_test(a_prologue_becomes_three_rows_and_a_gap),
		cmocka_unit_test(remembered_states_come_back),
		cmocka_unit_test(expressions_that_are_known_become_rules),
		cmocka_unit_test(an_undefined_return_address_is_the_end_and_a_signal_frame_a_signal_frame),
		cmocka_unit_test(a_malformed_function_does_not_spoil_its_neighbour),
		cmocka_unit_test(mutated_sections_are_read_in_bounds),
		cmocka_unit_test(each_instruction_of_plain_code_unwinds_as_libunwind_says),
		cmocka_unit_test(each_instruction_of_code_with_frame_pointers_unwinds),
		cmocka_unit_test(each_instruction_of_libc_and_zlib_unwinds),
		cmocka_unit_test(a_realigned_stack_and_alloca_unwind),
		cmocka_unit_test(the_vdso_unwinds),
		cmocka_unit_test(stacks_in_callbacks_replay_to_the_same),
		cmocka_unit_test(libunwind_goes_on_where_the_tables_stop),
		cmocka_unit_test(a_signal_frame_is_crossed),
		cmocka_unit_test(an_alternate_stack_ends_with_what_was_interrupted),
		cmocka_unit_test(random_registers_never_read_outside_the_stack),
		cmocka_unit_test(capacities_of_nothing_are_honoured),
		cmocka_unit_test(a_library_that_returns_keeps_its_identity_and_another_gets_an_epoch),
		cmocka_unit_test(libraries_may_come_and_go_under_walks),
	};

	read_stack_bounds();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
