/* What a program may tell lode about itself.  Every call is a no-op where the agent is not loaded: nothing has to be
 * linked.  Python: ctypes.CDLL(None).lode_mark(b"after warm-up") in a recorded program.
 * Thread-safe; not async-signal-safe; errno is kept. */
#ifndef LODE_LODE_H
#define LODE_LODE_H

#ifdef __cplusplus
extern "C" {
#endif

/* Names this moment: FILE@mark:NAME, --at mark:NAME find it in every view. */
extern void lode_mark(const char *name) __attribute__((weak));
/* Stops and resumes recording in this process.  What is freed meanwhile is not seen. */
extern void lode_pause(void) __attribute__((weak));
extern void lode_resume(void) __attribute__((weak));
/* 1 while events are recorded. */
extern int lode_is_recording(void) __attribute__((weak));

#define lode_mark(name) (lode_mark ? lode_mark(name) : (void)0)
#define lode_pause() (lode_pause ? lode_pause() : (void)0)
#define lode_resume() (lode_resume ? lode_resume() : (void)0)
#define lode_is_recording() (lode_is_recording ? lode_is_recording() : 0)

#ifdef __cplusplus
}
#endif

#endif
