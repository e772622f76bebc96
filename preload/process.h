/* The life of the process: who it is in the log, fork, exec, exit. */
#ifndef LODE_PROCESS_H
#define LODE_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

/* Takes a stream, writes who we are, what is loaded, and opens the gate.  Context: constructor, busy thread. */
void lode_process_begin(uint32_t begin, uint32_t parent_stream);

/* Registers the fork handlers.  Context: constructor. */
void lode_process_init(int argc, char **argv);

/* Around exec: residue and an EXEC record; what a vfork child shares with its parent is left alone. */
void lode_process_before_exec(const char *path);
void lode_process_after_failed_exec(void);

/* A system call filter is about to be set: recording ends here.  Context: busy thread. */
void lode_process_before_filter(void);

/* The last CPU time of the calling thread, once; everything else is in the log already. */
void lode_process_end(void);

#endif
