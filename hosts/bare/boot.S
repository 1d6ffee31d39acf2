/* SPDX-License-Identifier: Apache-2.0
 *
 * From the boot loader (multiboot 1: 32-bit code, no paging) to kernel_main() in 64-bit code at BARE_BASE. */
#include "layout.h"

#define PHYSICAL(symbol) (symbol - BARE_BASE)
#define PRESENT_WRITABLE 0x03
#define PRESENT_WRITABLE_2MIB 0x83

	.section .multiboot, "a"
	.balign 4
multiboot_header:
	.set MULTIBOOT_MAGIC, 0x1badb002
	.set MULTIBOOT_FLAGS, 0x00010000	/* the addresses below are meant; the file is no 32-bit ELF */
	.long MULTIBOOT_MAGIC, MULTIBOOT_FLAGS, -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)
	.long multiboot_header, load_begin, load_end, memory_end, multiboot_entry

	.section .boot, "ax"
	.code32
	.globl multiboot_entry
multiboot_entry:
	cli
	cld
	movl	%ebx, PHYSICAL(boot_information)
	xorl	%eax, %eax
	movl	$PHYSICAL(page_tables), %edi
	movl	$((page_tables_end - page_tables) / 4), %ecx
	rep stosl

	/* The first GiB at 0, until the jump up, and for good at BARE_BASE. */
	movl	$PHYSICAL(pdpt_low) + PRESENT_WRITABLE + 4, PHYSICAL(pml4)
	movl	$PHYSICAL(pdpt_high) + PRESENT_WRITABLE, PHYSICAL(pml4) + 511 * 8
	movl	$PHYSICAL(kernel_directory) + PRESENT_WRITABLE, PHYSICAL(pdpt_low)
	movl	$PHYSICAL(kernel_directory) + PRESENT_WRITABLE, PHYSICAL(pdpt_high) + 510 * 8
	xorl	%ecx, %ecx
1:	movl	%ecx, %eax
	shll	$21, %eax
	orl	$PRESENT_WRITABLE_2MIB, %eax
	movl	%eax, PHYSICAL(kernel_directory)(, %ecx, 8)
	incl	%ecx
	cmpl	$512, %ecx
	jne	1b
	movl	$PHYSICAL(pml4), %eax
	movl	%eax, %cr3

	movl	%cr4, %eax
	orl	$((1 << 5) | (1 << 9) | (1 << 10)), %eax	/* PAE, OSFXSR, OSXMMEXCPT */
	movl	%eax, %cr4
	movl	$0xc0000080, %ecx	/* EFER */
	rdmsr
	orl	$(1 << 8), %eax		/* LME */
	wrmsr
	movl	%cr0, %eax
	andl	$~(1 << 2), %eax	/* EM off */
	orl	$((1 << 31) | (1 << 5) | (1 << 1) | 1), %eax	/* PG, NE, MP, PE */
	movl	%eax, %cr0
	lgdt	boot_gdt_pointer
	ljmp	$BARE_KERNEL_CS, $1f
	.code64
1:	movabsq	$2f, %rax
	jmp	*%rax

	.balign 8
boot_gdt:
	.quad	0, 0, 0x00af9a000000ffff, 0x00cf92000000ffff
boot_gdt_pointer:
	.word	. - boot_gdt - 1
	.long	boot_gdt

	.text
2:	movw	$BARE_KERNEL_SS, %ax
	movw	%ax, %ss
	/* As it was loaded, for restarts. */
	movq	$data_begin, %rsi
	movq	$data_copy, %rdi
	movq	$data_end, %rcx
	subq	%rsi, %rcx
	rep movsb
	movq	$0, restarts
	jmp	3f

/* [[noreturn]] void restart(): the kernel begins anew. Everything is as after the boot but for .kept. */
	.globl restart
restart:
	cli
	cld
	incq	restarts
	movq	$data_copy, %rsi
	movq	$data_begin, %rdi
	movq	$data_end, %rcx
	subq	%rdi, %rcx
	rep movsb
3:	movq	$bss_begin, %rdi
	movq	$bss_end, %rcx
	subq	%rdi, %rcx
	shrq	$3, %rcx
	xorl	%eax, %eax
	rep stosq
	movq	$main_stack_top, %rsp
	xorl	%ebp, %ebp
	call	kernel_main
	ud2

	.section .kept, "aw", @nobits
	.balign 4096
	.globl pml4, pdpt_low, boot_information, restarts, main_stack_top
page_tables:
pml4:	.skip 4096
pdpt_low:
	.skip 4096
pdpt_high:
	.skip 4096
kernel_directory:
	.skip 4096
page_tables_end:
	.skip 65536
main_stack_top:
boot_information:
	.skip 8
restarts:
	.skip 8

	.section .note.GNU-stack, "", @progbits
