/* The public interface, include/lode/lode.h. */
#include "event.h"
#include "os.h"
#include "segment.h"
#include "state.h"
#include "thread.h"

void lode_mark(const char *name);
void lode_pause(void);
void lode_resume(void);
int lode_is_recording(void);

LODE_EXPORT void lode_mark(const char *name)
{
	struct lode_thread *t = lode_thread_enter();
	if (!t)
		return;
	lode_event_mark(name ? name : "");
	lode_thread_leave(t, __builtin_frame_address(0));
}

LODE_EXPORT void lode_pause(void)
{
	lode_gate->is_on = 0;
}

LODE_EXPORT void lode_resume(void)
{
	/* not in a child that is not followed, nor past a system call filter */
	if (lode_log && lode_stream && !lode_is_filtered && lode_os_pid() == lode_pid)
		lode_gate->is_on = 1;
}

LODE_EXPORT int lode_is_recording(void)
{
	return lode_gate->is_on != 0;
}
