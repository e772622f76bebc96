/* Puts itself under seccomp and goes on: a system call that the program did not make itself kills it.
 * Argument: strict or filter. */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

#include "torture.h"

static void work(void)
{
	for (int i = 0; i < 200; i++) {
		burn(2 * BURN_1MS);
		for (int k = 0; k < 500; k++)
			free(hide(malloc(100 + k)));
	}
}

#define ALLOW(number) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

int main(int argc, char **argv)
{
	work();
	if (argc > 1 && !strcmp(argv[1], "filter")) {
		struct sock_filter code[] = {
			BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
			ALLOW(SYS_write), ALLOW(SYS_exit_group), ALLOW(SYS_rt_sigreturn), ALLOW(SYS_brk), ALLOW(SYS_mmap),
			ALLOW(SYS_munmap), ALLOW(SYS_exit),
			BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		};
		struct sock_fprog program = { sizeof(code) / sizeof(*code), code };
		must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
		must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
	} else {
		must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0);
	}
	work();
	if (write(1, "ok\n", 3) != 3)
		syscall(SYS_exit, 1);
	syscall(SYS_exit, 0);
	return 0;
}
