/* SPDX-License-Identifier: Apache-2.0
 *
 * The program under the suite in the kernel of hosts/bare, copied into user memory. Every register belongs to the
 * test, so each step is an INT of its own (bare_main.cc: take_report()). */
	.section .rodata
	.balign	16
	.globl	bare_program, bare_program_bound, bare_program_elsewhere, bare_program_handler, bare_program_end
	.code32
bare_program:
	int	$0x81			/* for an order; its registers come back */
bare_program_bound:
	boundl	%eax, (%edx)
	int	$0x82			/* behind it */
	jmp	bare_program
	.balign	64
bare_program_elsewhere:
	int	$0x83
	jmp	bare_program
	.balign	64
bare_program_handler:			/* the program's own: the context is on the stack */
	int	$0x84
	jmp	bare_program
bare_program_end:

	.section .note.GNU-stack, "", @progbits
