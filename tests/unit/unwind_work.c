/* See unwind_work.h.  A file of its own, so that nothing is inlined into the test. */
#include "unwind_work.h"

#include <alloca.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#define NOINLINE __attribute__((noinline, noclone))
#define WITH_FRAME_POINTER __attribute__((noinline, noclone, optimize("no-omit-frame-pointer")))

static volatile uint64_t sink;

static NOINLINE uint64_t leaf(uint64_t a, uint64_t b)
{
	return a * 31 + (b ^ a >> 3);
}

static NOINLINE uint64_t recurse(unsigned depth, uint64_t seed)
{
	uint64_t local[4] = { seed, seed + 1, seed + 2, depth };

	if (!depth)
		return leaf(seed, 1);
	local[depth & 3] += recurse(depth - 1, leaf(seed, depth));
	return leaf(local[0], local[1]) + recurse(depth / 2, local[2]) + local[3];
}

void work_plain(void)
{
	sink += recurse(9, 3);
}

static WITH_FRAME_POINTER uint64_t recurse_with_frames(unsigned depth, uint64_t seed)
{
	volatile uint64_t local[3] = { seed, depth, 1 };

	if (!depth)
		return leaf(seed, local[2]);
	return recurse_with_frames(depth - 1, local[0] + 1) + leaf(local[1], local[0]);
}

static NOINLINE uint64_t mix(unsigned depth)
{
	return recurse_with_frames(depth, depth) + recurse(2, depth) + recurse_with_frames(depth / 2, 1);
}

void work_frame_pointers(void)
{
	for (unsigned i = 0; i < 8; i++)
		sink += mix(i);
}

static int compare_words(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void compress_some(void)
{
	static uint8_t in[2000], out[4000], back[2000];
	uLongf out_bytes = sizeof(out), back_bytes = sizeof(back);

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * i >> 5);
	compress2(out, &out_bytes, in, sizeof(in), 6);
	uncompress(back, &back_bytes, out, out_bytes);
	sink += back_bytes;
}

void work_libraries(void)
{
	uint32_t words[200];
	char text[256];

	for (unsigned i = 0; i < 200; i++)
		words[i] = i * 2654435761u;
	qsort(words, 200, sizeof(words[0]), compare_words);
	for (int i = 0; i < 5; i++) {
		snprintf(text, sizeof(text), "%d %g %s %08x %.3f", i, i / 3.0, "text", words[i], words[i] * 1.5);
		sink += strtoul(text, NULL, 10) + strlen(text);
		free(strdup(text));
	}
	compress_some();
}

/* More alignment than the ABI gives, and a size known only at run time. */
static NOINLINE uint64_t realigned(unsigned n)
{
	_Alignas(64) volatile uint8_t block[128];
	uint8_t *more = alloca(n * 16 + 1);

	memset(more, (int)n, n * 16 + 1);
	block[n & 127] = more[n];
	return leaf(block[n & 127], (uintptr_t)block) + (n ? realigned(n - 1) : recurse(2, n));
}

void work_realigned(void)
{
	sink += realigned(12);
}

void work_clock(void)
{
	struct timespec t;

	for (int i = 0; i < 40; i++) {
		clock_gettime(CLOCK_MONOTONIC, &t);
		sink += (uint64_t)t.tv_nsec + (uint64_t)time(NULL);
	}
}

static int compare_with_probe(const void *a, const void *b)
{
	work_probe();
	return compare_words(a, b);
}

static void *allocate_with_probe(void *opaque, unsigned items, unsigned size)
{
	(void)opaque;
	work_probe();
	return malloc((size_t)items * size);
}

static void free_with_probe(void *opaque, void *p)
{
	(void)opaque;
	work_probe();
	free(p);
}

static WITH_FRAME_POINTER void probe_deeply(unsigned depth)
{
	volatile unsigned local = depth;

	work_probe();
	if (local)
		probe_deeply(local - 1);
	work_probe();
}

static NOINLINE void compress_with_probe(void)
{
	z_stream z = { .zalloc = allocate_with_probe, .zfree = free_with_probe };
	uint8_t in[500] = { 1 }, out[1000];

	if (deflateInit(&z, 1) != Z_OK)
		return;
	z.next_in = in;
	z.avail_in = sizeof(in);
	z.next_out = out;
	z.avail_out = sizeof(out);
	deflate(&z, Z_FINISH);
	deflateEnd(&z);
}

void work_callbacks(void)
{
	uint32_t words[40];
	uint32_t key = 12345;

	for (unsigned i = 0; i < 40; i++)
		words[i] = i * 2654435761u;
	qsort(words, 40, sizeof(words[0]), compare_with_probe);
	sink += bsearch(&key, words, 40, sizeof(words[0]), compare_with_probe) != NULL;
	compress_with_probe();
	probe_deeply(6);
	realigned(3);
}

/* As the loader's resolver does it: the old stack pointer in rbx, the stack realigned below. */
__asm__(".text\n"
	".type rbx_frame, @function\n"
	"rbx_frame:\n"
	"	.cfi_startproc\n"
	"	push %rbx\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	.cfi_rel_offset %rbx, 0\n"
	"	mov %rsp, %rbx\n"
	"	.cfi_def_cfa_register %rbx\n"
	"	and $-64, %rsp\n"
	"	call work_rbx_frames\n"
	"	mov %rbx, %rsp\n"
	"	.cfi_def_cfa_register %rsp\n"
	"	pop %rbx\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	.cfi_restore %rbx\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".size rbx_frame, . - rbx_frame\n");

void rbx_frame(unsigned depth);

void work_rbx_frames(unsigned depth)
{
	if (depth)
		rbx_frame(depth - 1);
	else
		work_slow_probe();
	sink += depth;
}
