/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include "run_bound.h"

/* Per thread, reached through fs: 64-bit code alone can, so 32-bit code jumps back before it saves
 * anything. */
__thread struct run_outcome run_result;
__thread uint64_t run_saved_rsp;
__thread uint32_t run_saved_ds;

void run_bound_enter(const struct conformance_registers* in, uint64_t stack_top, uint32_t ds);
extern const char run_bound_site[];
extern const char run_elsewhere[];
extern const char run_after_signal[];

#define SAVE_AND_LEAVE(landing)            \
  "  movl %eax, %fs:run_result@tpoff\n"    \
  "  movl %ecx, %fs:run_result@tpoff+4\n"  \
  "  movl %edx, %fs:run_result@tpoff+8\n"  \
  "  movl %ebx, %fs:run_result@tpoff+12\n" \
  "  movl %esp, %fs:run_result@tpoff+16\n" \
  "  movl %ebp, %fs:run_result@tpoff+20\n" \
  "  movl %esi, %fs:run_result@tpoff+24\n" \
  "  movl %edi, %fs:run_result@tpoff+28\n" \
  "  movq %fs:run_saved_rsp@tpoff, %rsp\n" \
  "  pushfq\n"                             \
  "  popq %rax\n"                          \
  "  movl %eax, %fs:run_result@tpoff+32\n" \
  "  movl $" landing                       \
  ", %fs:run_result@tpoff+36\n"            \
  "  jmp run_after_signal\n"

__asm__(
    ".text\n"
    ".globl run_bound_enter, run_bound_site, run_elsewhere, run_after_signal\n"
    ".type run_bound_enter, @function\n"
    "run_bound_enter:\n"
    "  pushq %rbp\n  pushq %rbx\n  pushq %r12\n  pushq %r13\n  pushq %r14\n  pushq %r15\n"
    "  movq %rsp, %fs:run_saved_rsp@tpoff\n"
    "  movl %ds, %eax\n"
    "  movl %eax, %fs:run_saved_ds@tpoff\n"
    "  movl %edx, %ds\n"
    "  movl 32(%rdi), %eax\n"
    "  pushq %rax\n"
    "  popfq\n"
    "  movq %rsi, %rsp\n"
    "  movl 0(%rdi), %eax\n"
    "  movl 4(%rdi), %ecx\n"
    "  movl 8(%rdi), %edx\n"
    "  movl 12(%rdi), %ebx\n"
    "  movl 20(%rdi), %ebp\n"
    "  movl 24(%rdi), %esi\n"
    "  movl 28(%rdi), %edi\n"
    "  ljmp *run_target(%rip)\n"
    ".code32\n"
    "run_bound_site:\n"
    "  boundl %eax, (%edx)\n"
    "  ljmp $0x33, $run_behind\n"
    ".balign 64\n"
    "run_elsewhere:\n"
    "  ljmp $0x33, $run_went_elsewhere\n"
    ".code64\n"
    "run_behind:\n" SAVE_AND_LEAVE("0")
    "run_went_elsewhere:\n" SAVE_AND_LEAVE("1")
    "run_after_signal:\n"
    "  movq %fs:run_saved_rsp@tpoff, %rsp\n"
    "  movl %fs:run_saved_ds@tpoff, %eax\n"
    "  movl %eax, %ds\n"
    "  cld\n"
    "  popq %r15\n  popq %r14\n  popq %r13\n  popq %r12\n  popq %rbx\n  popq %rbp\n"
    "  ret\n"
    ".size run_bound_enter, . - run_bound_enter\n"
    ".data\n"
    "run_target:\n"
    "  .long run_bound_site\n"
    "  .word 0x23\n"
    ".text\n");

void run_bound(const struct conformance_registers* in, int null_ds, void* stack_top,
               struct run_outcome* outcome) {
  memset(&run_result, 0, sizeof run_result);
  run_result.landing = UINT32_MAX;
  run_bound_enter(in, (uintptr_t)stack_top, null_ds ? 0 : 0x2b);
  *outcome = run_result;
}

void run_bound_on_signal(void* context) {
  enum { kCode64 = 0x33 };
  greg_t* const registers = ((ucontext_t*)context)->uc_mcontext.gregs;
  if (registers[REG_RIP] != (greg_t)(uintptr_t)run_bound_site) _exit(3);
  struct conformance_registers* const out = &run_result.out;
  out->eax = (uint32_t)registers[REG_RAX];
  out->ecx = (uint32_t)registers[REG_RCX];
  out->edx = (uint32_t)registers[REG_RDX];
  out->ebx = (uint32_t)registers[REG_RBX];
  out->esp = (uint32_t)registers[REG_RSP];
  out->ebp = (uint32_t)registers[REG_RBP];
  out->esi = (uint32_t)registers[REG_RSI];
  out->edi = (uint32_t)registers[REG_RDI];
  out->eflags = (uint32_t)registers[REG_EFL];
  run_result.trap = (uint32_t)registers[REG_TRAPNO];
  run_result.landing = kLandingHandler;
  registers[REG_CSGSFS] = (registers[REG_CSGSFS] & ~(greg_t)0xffff) | kCode64;
  registers[REG_RIP] = (greg_t)(uintptr_t)run_after_signal;
}

uintptr_t run_bound_address(void) { return (uintptr_t)run_bound_site; }
uintptr_t run_elsewhere_address(void) { return (uintptr_t)run_elsewhere; }
