/* The instructions of a procedure linkage table. */
#ifndef LODE_PLT_H
#define LODE_PLT_H

#include <stddef.h>
#include <stdint.h>

enum lode_plt_machine { LODE_PLT_X86_64, LODE_PLT_AARCH64 };

/* The address of the GOT slot that the entry at p (at `address` in the file) jumps through; 0 if it is no such entry. */
uint64_t lode_plt_slot(enum lode_plt_machine machine, const uint8_t *p, size_t bytes, uint64_t address);

#endif
