/* Hooks of the mmap family and of brk: what the program maps itself.  The C library's own malloc and the loader map
 * without passing here, so nothing is counted twice. */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hook.h"
#include "os.h"

#define PAGE_BYTES 4096u

static size_t whole_pages(size_t n)
{
	return (n + PAGE_BYTES - 1) & ~(size_t)(PAGE_BYTES - 1);
}

static uint32_t category_of(int protection, int flags)
{
	if (!(flags & MAP_ANONYMOUS))
		return LODE_MAP_FILE;
	return protection == PROT_NONE || (flags & MAP_NORESERVE) ? LODE_MAP_RESERVED : LODE_MAP_ANONYMOUS;
}

static struct lode_thread *enter_maps(void)
{
	return lode_gate && lode_gate->hooks_memory && lode_config.memory != LODE_MEMORY_SAMPLE ? lode_hook_enter() : NULL;
}

static void *map(void *at, size_t n, int protection, int flags, int fd, off_t offset, void *frame)
{
	struct lode_thread *t = enter_maps();
	uint64_t released = t ? lode_ticks_release() : 0;
	lode_real_resolve();
	void *p = lode_real.mmap ? lode_real.mmap(at, n, protection, flags, fd, offset)
				 : lode_os_mmap(at, n, protection, flags, fd, offset); /* while the names are resolved */
	if (!t)
		return p;
	int saved = errno;
	if (p != MAP_FAILED) {
		/* what lay there is gone without a munmap */
		if ((flags & MAP_FIXED) && (flags & MAP_FIXED_NOREPLACE) != MAP_FIXED_NOREPLACE)
			lode_event_unmap(t, (uintptr_t)p, whole_pages(n), released);
		lode_event_map(t, category_of(protection, flags), (uintptr_t)p, n, lode_capture_hook(t, frame));
	}
	errno = saved;
	lode_thread_leave(t, frame);
	return p;
}

LODE_EXPORT void *mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset)
{
	return map(at, n, protection, flags, fd, offset, LODE_FRAME);
}

LODE_EXPORT void *mmap64(void *at, size_t n, int protection, int flags, int fd, off64_t offset)
{
	return map(at, n, protection, flags, fd, offset, LODE_FRAME);
}

LODE_EXPORT int munmap(void *p, size_t n)
{
	struct lode_thread *t = enter_maps();
	uint64_t released = t ? lode_ticks_release() : 0;
	lode_real_resolve();
	int r = lode_real.munmap ? lode_real.munmap(p, n) : lode_os_munmap(p, n);
	if (!t)
		return r;
	if (r == 0)
		lode_event_unmap(t, (uintptr_t)p, whole_pages(n), released);
	lode_thread_leave(t, LODE_FRAME);
	return r;
}

LODE_EXPORT void *mremap(void *before, size_t old, size_t n, int flags, ...)
{
	va_list arguments;
	va_start(arguments, flags);
	void *at = flags & MREMAP_FIXED ? va_arg(arguments, void *) : NULL;
	va_end(arguments);
	lode_real_resolve();
	struct lode_thread *t = enter_maps();
	uint64_t released = t ? lode_ticks_release() : 0;
	void *p = lode_real.mremap(before, old, n, flags, at);
	if (!t)
		return p;
	int saved = errno;
	if (p != MAP_FAILED) {
		if (flags & MREMAP_FIXED)
			lode_event_unmap(t, (uintptr_t)p, whole_pages(n), released);
		if (old) /* 0: a second view of a shared mapping, the first one stays */
			lode_event_unmap(t, (uintptr_t)before, whole_pages(old), released);
		lode_event_map(t, old ? LODE_MAP_REMAPPED : LODE_MAP_FILE, (uintptr_t)p, n, lode_capture_hook(t, LODE_FRAME));
	}
	errno = saved;
	lode_thread_leave(t, LODE_FRAME);
	return p;
}

/* The program break was moved by the program itself. */
static void moved_break(struct lode_thread *t, uintptr_t before, uintptr_t after, uint64_t released, void *frame)
{
	if (after > before)
		lode_event_map(t, LODE_MAP_BREAK, before, after - before, lode_capture_hook(t, frame));
	else if (after < before)
		lode_event_unmap(t, after, before - after, released);
}

LODE_EXPORT void *sbrk(intptr_t n)
{
	lode_real_resolve();
	struct lode_thread *t = enter_maps();
	uint64_t released = t ? lode_ticks_release() : 0;
	void *before = lode_real.sbrk(n);
	if (!t)
		return before;
	int saved = errno;
	if (before != (void *)-1 && n)
		moved_break(t, (uintptr_t)before, (uintptr_t)before + (uintptr_t)n, released, LODE_FRAME);
	errno = saved;
	lode_thread_leave(t, LODE_FRAME);
	return before;
}

LODE_EXPORT int brk(void *end)
{
	lode_real_resolve();
	struct lode_thread *t = enter_maps();
	uint64_t released = t ? lode_ticks_release() : 0;
	uintptr_t before = t ? (uintptr_t)lode_real.sbrk(0) : 0;
	int r = lode_real.brk(end);
	if (!t)
		return r;
	int saved = errno;
	if (r == 0)
		moved_break(t, before, (uintptr_t)end, released, LODE_FRAME);
	errno = saved;
	lode_thread_leave(t, LODE_FRAME);
	return r;
}
