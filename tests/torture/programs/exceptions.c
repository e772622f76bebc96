/* Loads a C++ library into a C program and lets it throw.  The unwinder must be libgcc's, found as if we were not there: a
 * library of ours that exports _Unwind_* makes each exception 27 times as slow.  Arguments: the library, exceptions. */
#include <dlfcn.h>

#include "torture.h"

static const char *home_of(void *symbol)
{
	Dl_info info;
	return symbol && dladdr(symbol, &info) ? info.dli_fname : "nowhere";
}

int main(int argc, char **argv)
{
	must(argc > 2);
	void *plugin = dlopen(argv[1], RTLD_NOW);
	if (!plugin)
		fail("%s", dlerror());
	int (*throws)(int) = (int (*)(int))dlsym(plugin, "throws_and_catches");
	int n = atoi(argv[2]);
	double began = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
	must(throws(n) == n);
	dprintf(2, "cpu %.3f\n", clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - began);
	static const char *names[] = { "_Unwind_RaiseException", "_Unwind_Resume", "_Unwind_Backtrace", "_Unwind_Find_FDE" };
	for (int i = 0; i < 4; i++) {
		const char *home = home_of(dlsym(plugin, names[i]));
		if (!strstr(home, "libgcc_s"))
			fail("%s is bound to %s", names[i], home);
	}
	must(!dlsym(RTLD_DEFAULT, "unw_step") && !dlsym(RTLD_DEFAULT, "unw_backtrace"));
	must(!dlsym(RTLD_DEFAULT, "deflate") && !dlsym(RTLD_DEFAULT, "mallctl"));
	return done();
}
