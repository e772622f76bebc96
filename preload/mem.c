/* The private allocator: jemalloc, renamed by preload/build.mk.  Contract in mem.h.
 *
 * jemalloc's imports that could meet the program come here instead (lode_shim_*): memory straight from the kernel,
 * no environment and no /etc/malloc.conf (a MALLOC_CONF meant for the program must not reach us), no dlsym, no atexit, no fork handlers. */
#include "mem.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>

#include "os.h"

void *lode_je_malloc(size_t bytes);
void *lode_je_calloc(size_t n, size_t bytes);
void *lode_je_realloc(void *p, size_t bytes);
void lode_je_free(void *p);

/* Few, long-lived blocks from few threads: one arena, no per-thread caches, memory given back soon. */
extern const char *lode_je_malloc_conf;
const char *lode_je_malloc_conf = "narenas:1,tcache:false,dirty_decay_ms:100,muzzy_decay_ms:0,abort:false";

void *lode_shim_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
int lode_shim_munmap(void *p, size_t bytes);
int lode_shim_madvise(void *p, size_t bytes, int advice);
int lode_shim_mprotect(void *p, size_t bytes, int protection);
char *lode_shim_secure_getenv(const char *name);
ssize_t lode_shim_readlink(const char *path, char *buf, size_t n);
void *lode_shim_dlsym(void *handle, const char *name);
int lode_shim_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));
int lode_shim_atexit(void (*f)(void));
void *lode_shim_sbrk(intptr_t n);
int lode_shim__Unwind_Backtrace(void *f, void *data);
uintptr_t lode_shim__Unwind_GetIP(void *context);

void *lode_shim_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	return lode_os_mmap(at, bytes, protection, flags, fd, offset);
}

int lode_shim_munmap(void *p, size_t bytes)
{
	lode_os_unmap(p, bytes);
	return 0;
}

int lode_shim_madvise(void *p, size_t bytes, int advice)
{
	return lode_os_madvise(p, bytes, advice) < 0 ? -1 : 0;
}

int lode_shim_mprotect(void *p, size_t bytes, int protection)
{
	return lode_os_mprotect(p, bytes, protection) < 0 ? -1 : 0;
}

char *lode_shim_secure_getenv(const char *name)
{
	(void)name;
	return NULL;
}

ssize_t lode_shim_readlink(const char *path, char *buf, size_t n)
{
	(void)path, (void)buf, (void)n;
	return -1;
}

void *lode_shim_dlsym(void *handle, const char *name)
{
	(void)handle, (void)name;
	return NULL;
}

int lode_shim_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
	(void)prepare, (void)parent, (void)child; /* never in use during a fork: mem.h */
	return 0;
}

int lode_shim_atexit(void (*f)(void))
{
	(void)f;
	return 0;
}

void *lode_shim_sbrk(intptr_t n)
{
	(void)n;
	return (void *)-1;
}

int lode_shim__Unwind_Backtrace(void *f, void *data)
{
	(void)f, (void)data;
	return 5; /* _URC_END_OF_STACK */
}

uintptr_t lode_shim__Unwind_GetIP(void *context)
{
	(void)context;
	return 0;
}

/* Its heap profiler's mathematics, which is never on: without them no libm is needed. */
double lode_shim_log(double x);
double lode_shim_exp(double x);
double lode_shim_round(double x);

double lode_shim_log(double x)
{
	return x;
}

double lode_shim_exp(double x)
{
	return x;
}

double lode_shim_round(double x)
{
	return x;
}

void *lode_mem_alloc(size_t bytes)
{
	return lode_je_malloc(bytes);
}

void *lode_mem_alloc_zeroed(size_t bytes)
{
	return lode_je_calloc(1, bytes);
}

void *lode_mem_realloc(void *p, size_t bytes)
{
	return lode_je_realloc(p, bytes);
}

void lode_mem_free(void *p)
{
	lode_je_free(p);
}
