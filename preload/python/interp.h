/* The interpreter of this process, if there is one: found by its exported symbols, verified, or refused. */
#ifndef LODE_PYTHON_INTERP_H
#define LODE_PYTHON_INTERP_H

#include <stdbool.h>
#include <stdint.h>

/* Looks for an interpreter: in the constructor, and again whenever modules were loaded until one is found.  Writes a
 * PYTHON record, or a notice where the version or build is unknown (native frames only then).
 * Context: any thread outside signals, no lock held. */
void lode_interp_look(void);
bool lode_interp_is_known(void);
/* True once the search is over for the modules seen so far (nothing to do in the hot path). */

#endif
