/* SPDX-License-Identifier: Apache-2.0
 *
 * Into driver code and, where it may not go on, out of it without its consent. Not for objtool: a stack pointer
 * that is loaded from memory has no frame that it could know.
 */
#include <linux/linkage.h>
#include <asm/asm.h>
#include <asm/nospec-branch.h>
#include <asm/smap.h>

	.text

/* int kb_guarded(struct kb_guard *guard, void (*fn)(void *), void *argument) */
SYM_FUNC_START(kb_guarded)
	pushq	%rbp
	pushq	%rbx
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, (%rdi)
	movq	%rsi, %rax
	movq	%rdx, %rdi
	CALL_NOSPEC rax
	xorl	%eax, %eax
.Lleave:
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbx
	popq	%rbp
	RET
SYM_FUNC_END(kb_guarded)

/* void kb_escape(struct kb_guard *guard) */
SYM_FUNC_START(kb_escape)
	ASM_CLAC
	cld
#ifdef CONFIG_KASAN_STACK
	/* The frames that are left here do not clean up what they told KASAN about their variables. */
	movq	%rdi, %rbx
	movq	(%rdi), %rsi
	movq	%rsp, %rdi
	call	__asan_allocas_unpoison
	movq	%rbx, %rdi
#endif
	movq	(%rdi), %rsp
	movl	$1, %eax
	jmp	.Lleave
SYM_FUNC_END(kb_escape)

/* uint64_t kb_call_driver(void *routine, void *a0, void *a1, void *a2, void *a3)
 *
 * With AC set, what the driver dereferences may be the user's. It is clear whenever the driver is in one of our
 * routines (driver/instrument.awk), so no task switch sees it but those of an interrupt, which saves it. */
SYM_FUNC_START(kb_call_driver)
	movq	%rdi, %rax
	movq	%rsi, %rdi
	movq	%rdx, %rsi
	movq	%rcx, %rdx
	movq	%r8, %rcx
	ASM_STAC
	CALL_NOSPEC rax
	ASM_CLAC
	RET
SYM_FUNC_END(kb_call_driver)

/* The place of the trap is in %rdi. */
SYM_FUNC_START(kb_driver_trap_entry)
	ASM_CLAC
	cld
	call	kb_driver_trap
	ud2
SYM_FUNC_END(kb_driver_trap_entry)

SYM_FUNC_START(kebound_driver_fault)
	ASM_CLAC
	cld
	call	kb_driver_fault
	ud2
SYM_FUNC_END(kebound_driver_fault)
