/* Work for the unwinders' test: code of every shape, small enough to be stepped through. */
#ifndef UNWIND_WORK_H
#define UNWIND_WORK_H

void work_plain(void);
void work_frame_pointers(void);
void work_libraries(void);
void work_realigned(void);
void work_clock(void);
void work_callbacks(void); /* calls work_probe from under qsort, bsearch, zlib, recursion */
void work_probe(void);     /* the test's */
void work_rbx_frames(unsigned depth); /* calls work_slow_probe */
void work_slow_probe(void);           /* the test's */

#endif
