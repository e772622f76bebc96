/* Looks at a command before it is run: what will be executed in the end, and whether the agent can be loaded into it.
 * ELF by elf(5), scripts by their #! lines, as execve(2) follows them. */
#ifndef LODE_TARGET_H
#define LODE_TARGET_H

#include <stdbool.h>

#define LODE_TARGET_CHAIN_MAX 5 /* execve follows four interpreters, then ELOOP */

enum lode_target_verdict {
	LODE_TARGET_OK,
	LODE_TARGET_NOT_FOUND,      /* 127, as env(1) says it */
	LODE_TARGET_NOT_EXECUTABLE, /* 126 */
	LODE_TARGET_REFUSED,        /* runs, but not with the agent: `reason` */
};

struct lode_target {
	enum lode_target_verdict verdict;
	char path[4096];      /* of the file that the verdict is about: the command, or a script's interpreter */
	char command[4096];   /* of the command itself, as PATH finds it */
	char reason[256];     /* in words, with what to do next; empty when OK */
	char warning[256];    /* something will not be seen, though it runs; empty: nothing */
	bool is_script;       /* the command is a script */
};

/* Never prints, never fails: the verdict says it. */
void lode_target_inspect(const char *command, struct lode_target *t);

#endif
