/* lode_on_stack(top, fn, a, b): calls fn(a, b) on the stack that ends at `top`, comes back.
 * The frame is found through rbp, so an unwinder passes. */
	.text
	.globl lode_on_stack
	.hidden lode_on_stack
	.type lode_on_stack, @function
lode_on_stack:
	.cfi_startproc
	pushq %rbp
	.cfi_def_cfa_offset 16
	.cfi_offset %rbp, -16
	movq %rsp, %rbp
	.cfi_def_cfa_register %rbp
	movq %rdi, %rsp
	movq %rsi, %rax
	movq %rdx, %rdi
	movq %rcx, %rsi
	callq *%rax
	movq %rbp, %rsp
	popq %rbp
	.cfi_def_cfa %rsp, 8
	retq
	.cfi_endproc
	.size lode_on_stack, .-lode_on_stack

/* The return from our signal handler: rt_sigreturn, in exactly the bytes that debuggers and unwinders recognise. */
	.globl lode_signal_return
	.hidden lode_signal_return
	.type lode_signal_return, @function
	nop
lode_signal_return:
	movq $15, %rax
	syscall
	.size lode_signal_return, .-lode_signal_return

	.section .note.GNU-stack, "", @progbits
