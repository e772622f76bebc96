/* What /proc tells of a process from outside. */
#ifndef LODE_PROC_H
#define LODE_PROC_H

#include <stdbool.h>
#include <stdint.h>

/* Resident bytes; 0 when the process is gone or cannot be read. */
uint64_t lode_proc_rss(uint32_t pid);

/* True when the process is gone, or a zombie without running threads: it writes nothing any more. */
bool lode_proc_is_gone(uint32_t pid);

/* True when `signal` waits to be delivered to the process. */
bool lode_proc_is_pending(uint32_t pid, int signal);

/* True when some process was started with `variable` ("NAME=value") in its environment and has not changed its image. */
bool lode_proc_any_with_variable(const char *variable);

#endif
