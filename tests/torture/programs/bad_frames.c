/* Burns CPU time, and allocates, with a frame pointer or a stack that leads nowhere.  Argument: which. */
#include "torture.h"

static uintptr_t bad;

/* The loop that runs with rbp = bad: hand-written, so that no prologue restores it. */
static void burn_with_frame_pointer(uintptr_t rbp, uint64_t rounds)
{
	__asm__ volatile("push %%rbp\n\tmov %0, %%rbp\n"
			 "1:\timul $1103515245, %%rax, %%rax\n\tadd $12345, %%rax\n\tdec %1\n\tjnz 1b\n\tpop %%rbp"
			 : "+r"(rbp), "+r"(rounds)
			 :
			 : "rax", "memory", "cc");
}

/* The same around a call of malloc: the hook's walk starts from such a frame. */
static void *malloc_with_frame_pointer(uintptr_t rbp, size_t size)
{
	void *p;
	__asm__ volatile("push %%rbp\n\tmov %%rsp, %%rbx\n\tand $-16, %%rsp\n\tmov %1, %%rbp\n\tcall malloc@plt\n\tmov %%rbx, %%rsp\n\tpop %%rbp"
			 : "=a"(p)
			 : "S"(rbp), "D"(size)
			 : "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "memory", "cc");
	return p;
}

static void run_with(uintptr_t rbp)
{
	for (int i = 0; i < 300; i++) {
		burn_with_frame_pointer(rbp, BURN_1MS);
		void *p = malloc_with_frame_pointer(rbp, 100);
		must(p);
		free(p);
	}
}

/* Code without unwind information: mov rcx, rdi; 1: imul rax, rax, 7; dec rcx; jnz 1b; ret */
static const unsigned char machine_code[] = { 0x48, 0x89, 0xf9, 0x48, 0x6b, 0xc0, 0x07, 0x48, 0xff, 0xc9, 0x75, 0xf7, 0xc3 };

static void run_generated(int pushes)
{
	unsigned char *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char *at = code;
	must(code != MAP_FAILED);
	for (int i = 0; i < pushes; i++)
		*at++ = 0x50; /* push rax: the return address is not where anybody looks */
	memcpy(at, machine_code, sizeof(machine_code) - 1);
	at += sizeof(machine_code) - 1;
	for (int i = 0; i < pushes; i++)
		*at++ = 0x59; /* pop rcx */
	*at = 0xc3;
	for (int i = 0; i < 300; i++)
		((void (*)(uint64_t))(uintptr_t)code)(BURN_1MS);
	munmap(code, 4096); /* and it is gone while samples of it are in the recording */
}

/* A stack of one page with rsp at its very end: nothing above it can be read. */
static void run_at_the_end_of_a_page(void)
{
	char *page = mmap(NULL, 5 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(page != MAP_FAILED && mprotect(page + 4 * 4096, 4096, PROT_NONE) == 0);
	uintptr_t top = (uintptr_t)page + 4 * 4096;
	for (int i = 0; i < 300; i++) {
		uint64_t rounds = BURN_1MS;
		uintptr_t stack = top, scratch;
		__asm__ volatile("mov %%rsp, %2\n\tmov %1, %%rsp\n"
				 "1:\timul $7, %%rax, %%rax\n\tdec %0\n\tjnz 1b\n\tmov %2, %%rsp"
				 : "+r"(rounds), "+r"(stack), "=&r"(scratch)
				 :
				 : "rax", "memory", "cc");
	}
}

int main(int argc, char **argv)
{
	const char *which = argc > 1 ? argv[1] : "zero";
	char *page = mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(page != MAP_FAILED && mprotect(page + 4096, 4096, PROT_NONE) == 0);

	if (!strcmp(which, "zero"))
		bad = 0;
	else if (!strcmp(which, "eight"))
		bad = 8;
	else if (!strcmp(which, "garbage"))
		bad = 0x123456789abc;
	else if (!strcmp(which, "noncanonical"))
		bad = 0x8000123456789abc;
	else if (!strcmp(which, "minus-one"))
		bad = UINTPTR_MAX;
	else if (!strcmp(which, "vsyscall"))
		bad = 0xffffffffff600000;
	else if (!strcmp(which, "page-end"))
		bad = (uintptr_t)page + 4096 - 8;
	else if (!strcmp(which, "guard"))
		bad = (uintptr_t)page + 4096 + 8;
	else if (!strcmp(which, "odd"))
		bad = (uintptr_t)page + 3;
	else if (!strcmp(which, "own-stack"))
		bad = (uintptr_t)&which | 1;
	else if (!strcmp(which, "cycle")) {
		((uintptr_t *)page)[0] = (uintptr_t)page;
		((uintptr_t *)page)[1] = (uintptr_t)main + 4;
		bad = (uintptr_t)page;
	} else if (!strcmp(which, "generated")) {
		run_generated(0);
		run_generated(5);
		return done();
	} else if (!strcmp(which, "stack-end")) {
		run_at_the_end_of_a_page();
		return done();
	} else {
		fail("no such kind: %s", which);
	}
	run_with(bad);
	return done();
}
