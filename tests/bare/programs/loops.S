/* SPDX-License-Identifier: Apache-2.0
 *
 * Loops of one instruction for what is counted or tortured, of 32-bit code; copied into user memory. A report (INT 0x81)
 * before and behind each; eax comes with the number of rounds. */
	.section .rodata
	.balign	16
	.globl	loops, loops_bound, loops_forever, loops_handler, loops_end
	.code32
loops:
/* edx -> limits 0, 9; ebx the index */
loops_bound:
	movl	%eax, %ecx
	int	$0x81
1:	boundl	%ebx, (%edx)
	loop	1b
	int	$0x82
	.balign	16
loops_forever:
	boundl	%ebx, (%edx)
	jmp	loops_forever
	.balign	16
/* Steps over the BOUND, by hand: user_context.rip is 128 behind the stack pointer. */
loops_handler:
	addl	$2, 128(%esp)
	movl	%esp, %ebx
	movl	$4, %eax
	int	$0x80
loops_end:

	.section .note.GNU-stack, "", @progbits
