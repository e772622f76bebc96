/* void *dlopen(const char *name, int mode): see hook_process.c.  Where the loader looks at its caller, this jumps, so that the
 * return address on the stack is the caller's own. */
	.text
	.globl dlopen
	.type dlopen, @function
dlopen:
	.cfi_startproc
	pushq %rdi
	.cfi_def_cfa_offset 16
	pushq %rsi
	.cfi_def_cfa_offset 24
	subq $8, %rsp
	.cfi_def_cfa_offset 32
	callq lode_dlopen_needs_caller
	addq $8, %rsp
	.cfi_def_cfa_offset 24
	popq %rsi
	.cfi_def_cfa_offset 16
	popq %rdi
	.cfi_def_cfa_offset 8
	testb %al, %al
	jz lode_dlopen_plain
	jmpq *lode_real_dlopen(%rip)
	.cfi_endproc
	.size dlopen, .-dlopen

	.section .note.GNU-stack, "", @progbits
