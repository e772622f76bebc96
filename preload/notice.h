/* Notices: what the agent has to tell the reader of the recording, in words.
 * A notice is written as a NOTICE record; the same text is written once a process.
 * Context: any thread outside the signal handler; formats into the caller's stack, 200 bytes at most. */
#ifndef LODE_NOTICE_H
#define LODE_NOTICE_H

#include <stddef.h>
#include <stdint.h>

enum lode_severity { LODE_NOTICE_INFO = 0, LODE_NOTICE_MISSING = 1 };

/* Supports %s %d %u %x %lx %ld %lu %% only. */
void lode_notice(enum lode_severity severity, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The formatter behind it; returns the length, always terminates, cuts silently. */
size_t lode_format(char *buf, size_t n, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
