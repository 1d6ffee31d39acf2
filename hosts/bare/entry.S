/* SPDX-License-Identifier: Apache-2.0
 *
 * Into the kernel by an exception, an interrupt or a system call; out of it; and from one thread's stack to another's. */
#include "layout.h"

	.text
/* One stub of 16 bytes for each vector: error code (0 where the processor gives none), then the number. */
	.balign	16
	.globl	vector_stubs
vector_stubs:
	.set	vector, 0
	.rept	256
	.balign	16
	.if	(vector == 8) || (vector >= 10 && vector <= 14) || (vector == 17) || (vector == 21)
	.else
	pushq	$0
	.endif
	pushq	$vector
	jmp	common_entry
	.set	vector, vector + 1
	.endr
	.balign	16

common_entry:
	testb	$3, 24(%rsp)
	jz	1f
	swapgs
1:	pushq	%r15
	pushq	%r14
	pushq	%r13
	pushq	%r12
	pushq	%r11
	pushq	%r10
	pushq	%r9
	pushq	%r8
	pushq	%rdi
	pushq	%rsi
	pushq	%rbp
	pushq	128(%rsp)	/* where rsp stands in encoding order: the interrupted one */
	pushq	%rbx
	pushq	%rdx
	pushq	%rcx
	pushq	%rax
	cld
	movq	%rsp, %rdi
	subq	$8, %rsp
	call	on_trap
	addq	$8, %rsp
	movq	%rsp, %rdi

/* [[noreturn]] void leave_kernel(Frame* frame); interrupts off */
	.globl	leave_kernel
leave_kernel:
	movq	%rdi, %rsp
	popq	%rax
	popq	%rcx
	popq	%rdx
	popq	%rbx
	addq	$8, %rsp
	popq	%rbp
	popq	%rsi
	popq	%rdi
	popq	%r8
	popq	%r9
	popq	%r10
	popq	%r11
	popq	%r12
	popq	%r13
	popq	%r14
	popq	%r15
	addq	$16, %rsp	/* vector and error code */
	testb	$3, 8(%rsp)
	jz	1f
	swapgs
1:	iretq

/* void switch_stacks(uint64_t* save, uint64_t load) */
	.globl	switch_stacks
switch_stacks:
	pushq	%rbp
	pushq	%rbx
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, (%rdi)
	movq	%rsi, %rsp
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbx
	popq	%rbp
	ret

/* Where a new thread begins: its routine in rbx, the argument in r12. */
	.globl	thread_begin
thread_begin:
	sti
	movq	%r12, %rdi
	call	*%rbx
	call	end_thread
	ud2

	.section .note.GNU-stack, "", @progbits
