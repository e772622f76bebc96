/* Mappings: what is mapped, partly unmapped, mapped over and moved; only anonymous memory counts. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "truth.h"

#define PAGE 4096u

/* bytes 0: how much an operation like mremap allocates is a matter of definition; what is live is not */
#define LIVE(live_) ((struct truth){ __func__, 0, 0, (live_), 0, (live_), 0 })

static char *map(size_t pages, int prot, int flags)
{
	char *p = mmap(NULL, pages * PAGE, prot, MAP_PRIVATE | flags, -1, 0);
	must(p != MAP_FAILED, "mmap");
	return p;
}
#define MAP_PAGES(pages) map(pages, PROT_READ | PROT_WRITE, MAP_ANONYMOUS)

CASE map_kept(void)
{
	MAP_PAGES(10);
	MAP_PAGES(20);
	truth_add((struct truth){ __func__, 30 * PAGE, 2, 30 * PAGE, 0, 30 * PAGE, 0 });
}

CASE map_released(void)
{
	for (int i = 0; i < 10; i++)
		munmap(MAP_PAGES(16), 16 * PAGE);
	truth_add((struct truth){ __func__, 160 * PAGE, 10, 0, 0, 0, 0 });
}

CASE shared_anonymous_kept(void)
{
	must(mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0) != MAP_FAILED, "mmap");
	truth_add((struct truth){ __func__, 8 * PAGE, 1, 8 * PAGE, 0, 8 * PAGE, 0 });
}

CASE unmapped_at_the_front(void)
{
	munmap(MAP_PAGES(16), 3 * PAGE);
	truth_add(LIVE(13 * PAGE));
}

CASE unmapped_at_the_back(void)
{
	munmap(MAP_PAGES(16) + 11 * PAGE, 5 * PAGE);
	truth_add(LIVE(11 * PAGE));
}

CASE unmapped_in_the_middle(void)
{
	munmap(MAP_PAGES(16) + 4 * PAGE, 5 * PAGE);
	truth_add(LIVE(11 * PAGE));
}

CASE unmapped_in_pieces(void)
{
	char *p = MAP_PAGES(16);
	munmap(p + 2 * PAGE, PAGE);
	munmap(p + 6 * PAGE, PAGE);
	munmap(p, 8 * PAGE); /* over the two holes */
	truth_add(LIVE(8 * PAGE));
}

CASE unmapped_with_a_length_that_is_no_page(void)
{
	munmap(MAP_PAGES(4), PAGE + 1); /* two pages go */
	truth_add(LIVE(2 * PAGE));
}

CASE mapped_over(void)
{
	char *p = MAP_PAGES(16);
	must(mmap(p + 4 * PAGE, 4 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED, "MAP_FIXED");
	truth_add(LIVE(16 * PAGE));
}

CASE mapped_over_with_a_file(void)
{
	char *p = MAP_PAGES(16);
	int fd = open("/proc/self/exe", O_RDONLY);
	must(mmap(p, 4 * PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0) != MAP_FAILED, "MAP_FIXED");
	close(fd);
	truth_add(LIVE(12 * PAGE));
}

CASE mapped_over_and_released(void)
{
	char *p = MAP_PAGES(16);
	must(mmap(p + 4 * PAGE, 4 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED, "MAP_FIXED");
	munmap(p, 16 * PAGE);
	truth_add(LIVE(0));
}

CASE remapped_larger(void)
{
	char *p = mremap(MAP_PAGES(8), 8 * PAGE, 32 * PAGE, MREMAP_MAYMOVE);
	must(p != MAP_FAILED, "mremap");
	truth_add(LIVE(32 * PAGE));
}

CASE remapped_smaller(void)
{
	char *p = mremap(MAP_PAGES(32), 32 * PAGE, 5 * PAGE, 0);
	must(p != MAP_FAILED, "mremap");
	truth_add(LIVE(5 * PAGE));
}

CASE remapped_to_a_fixed_place(void)
{
	char *to = MAP_PAGES(16);
	char *from = MAP_PAGES(8);
	must(mremap(from, 8 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to, "mremap");
	truth_add(LIVE(16 * PAGE)); /* 8 moved, 8 of the place remain */
}

CASE remap_that_fails(void)
{
	char *p = MAP_PAGES(4);
	must(mremap(p, 4 * PAGE, SIZE_MAX / 2, MREMAP_MAYMOVE) == MAP_FAILED, "failing mremap");
	truth_add(LIVE(4 * PAGE));
}

CASE remapped_then_released(void)
{
	char *p = mremap(MAP_PAGES(8), 8 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
	munmap(p, 64 * PAGE);
	truth_add(LIVE(0));
}

CASE unmap_that_fails(void)
{
	char *p = MAP_PAGES(4);
	errno = 0;
	must(munmap(p + 1, PAGE) == -1 && errno == EINVAL, "failing munmap");
	must(munmap(p, 0) == -1 && errno == EINVAL, "failing munmap");
	truth_add(LIVE(4 * PAGE));
}

CASE map_that_fails(void)
{
	must(mmap(NULL, SIZE_MAX / 2, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED, "failing mmap");
	must(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED, "failing mmap");
	truth_add(LIVE(0));
}

CASE reserved_only(void)
{
	map(1 << 20, PROT_NONE, MAP_ANONYMOUS | MAP_NORESERVE); /* 4 GiB of addresses */
	truth_add(LIVE(0));
}

CASE backed_by_a_file(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	must(mmap(NULL, 3 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0) != MAP_FAILED, "mmap of a file");
	close(fd);
	truth_add(LIVE(0));
}

CASE peak_of_the_program(void)
{
	munmap(MAP_PAGES(16384), 16384 * PAGE);
	truth_add((struct truth){ __func__, 16384 * PAGE, 1, 0, 0, 16384 * PAGE, 0 });
}

int main(void)
{
	map_kept();
	map_released();
	shared_anonymous_kept();
	unmapped_at_the_front();
	unmapped_at_the_back();
	unmapped_in_the_middle();
	unmapped_in_pieces();
	unmapped_with_a_length_that_is_no_page();
	mapped_over();
	mapped_over_with_a_file();
	mapped_over_and_released();
	remapped_larger();
	remapped_smaller();
	remapped_to_a_fixed_place();
	remap_that_fails();
	remapped_then_released();
	unmap_that_fails();
	map_that_fails();
	reserved_only();
	backed_by_a_file();
	peak_of_the_program();
	truth_print();
	_exit(0);
}
