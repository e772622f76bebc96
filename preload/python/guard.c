/* Guarded reads for signals: the kernel copies, and says so where there is nothing.  Used by walk_signal.c and code.c for
 * the few objects whose address cannot be trusted. */
#include "python/guard.h"

#include <errno.h>

#include "os.h"

/* process_vm_readv on oneself is refused under some sandboxes (Docker before kernel 4.8, gVisor without ptrace). */
enum { UNKNOWN, ALLOWED, REFUSED };
static int kernel_copy;

static int ask_kernel(void)
{
	uint64_t known = 1, copy = 0;
	int answer = lode_os_read_memory(&known, &copy, sizeof(copy)) && copy == 1 ? ALLOWED : REFUSED;

	__atomic_store_n(&kernel_copy, answer, __ATOMIC_RELAXED);
	return answer;
}

/* The kernel reads the new mask before it looks at an impossible `how`: EFAULT or EINVAL, and nothing is changed. */
static bool is_readable(uintptr_t word)
{
	return lode_os_sigmask(-1, (const uint64_t *)word, NULL) != -EFAULT;
}

/* Between question and copy another thread could unmap the page: a last resort. */
static bool copy_after_asking(uintptr_t from, uint64_t *to, uint32_t bytes)
{
	if (!is_readable(from) || !is_readable(from + bytes - 8))
		return false;
	for (uint32_t i = 0; i < bytes / 8; i++)
		to[i] = __atomic_load_n((const uint64_t *)from + i, __ATOMIC_RELAXED);
	return true;
}

bool lode_guard_read(uintptr_t from, void *to, uint32_t bytes)
{
	int how = __atomic_load_n(&kernel_copy, __ATOMIC_RELAXED);

	if (from % 8 != 0 || !from)
		return false;
	if (how == UNKNOWN)
		how = ask_kernel();
	return how == ALLOWED ? lode_os_read_memory((const void *)from, to, bytes) :
				copy_after_asking(from, to, bytes);
}
