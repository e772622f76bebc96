/* What surrounds the agent's modules in unit tests: a clock that the test sets, system calls that fail on demand, a
 * directory for logs, and a process of its own for each test, since the modules keep their state in statics.
 *
 * A test that links this needs preload/os_linux.c and the --wrap words of its neighbours' link lines. */
#ifndef AGENT_MOCKS_H
#define AGENT_MOCKS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lode/format.h"

/* Runs each test in a child process; returns how many failed. */
int agent_run(const struct CMUnitTest *tests, size_t count);
#define AGENT_RUN(tests) agent_run((tests), sizeof(tests) / sizeof((tests)[0]))

/* What lode_os_monotonic_ns says, and, since no test uses the TSC, every time stamp. */
extern uint64_t agent_clock;

/* The calls that can fail (map, map_file, open, allocate, fstat_identity) are counted; the one numbered agent_fail_at
 * fails, and with agent_fail_on all after it too. */
extern unsigned agent_calls, agent_fail_at;
extern bool agent_fail_on;

/* Runs f in child processes with the first call failing, the second, ... until none is left to fail; each child must
 * come to its end.  Asserts that at least `least` calls were there. */
void agent_fail_each(void (*f)(void), unsigned least);

/* Runs f in a child process, which must come to its end. */
void agent_in_child(void (*f)(void));

/* A path in a directory that is emptied after each test. */
const char *agent_path(const char *name);

/* The log as another process sees it: mapped anew from the file. */
const struct lode_log_header *agent_log(const char *path);
/* Segment i of it; NULL: not in the file. */
struct lode_segment_header *agent_segment(const char *path, uint32_t i);

unsigned agent_open_descriptors(void);

/* A generator of numbers that are the same in each run. */
uint64_t agent_random(void);

#endif
