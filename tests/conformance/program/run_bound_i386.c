/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include "run_bound.h"

/* Per thread, reached through gs because after a BOUND every other register belongs to the test. */
__thread struct run_outcome run_result;
__thread uint32_t run_saved_esp;
__thread uint32_t run_eax;
__thread uint32_t run_ds;

void run_bound_enter(const struct conformance_registers* in);
extern const char run_bound_site[];
extern const char run_elsewhere[];
extern const char run_after_signal[];

#define SAVE_AND_LEAVE(landing)             \
  "  movl %eax, %gs:run_result@ntpoff\n"    \
  "  movl %ecx, %gs:run_result@ntpoff+4\n"  \
  "  movl %edx, %gs:run_result@ntpoff+8\n"  \
  "  movl %ebx, %gs:run_result@ntpoff+12\n" \
  "  movl %esp, %gs:run_result@ntpoff+16\n" \
  "  movl %ebp, %gs:run_result@ntpoff+20\n" \
  "  movl %esi, %gs:run_result@ntpoff+24\n" \
  "  movl %edi, %gs:run_result@ntpoff+28\n" \
  "  movl %gs:run_saved_esp@ntpoff, %esp\n" \
  "  pushfl\n"                              \
  "  popl %gs:run_result@ntpoff+32\n"       \
  "  movl $" landing                        \
  ", %gs:run_result@ntpoff+36\n"            \
  "  jmp run_after_signal\n"

__asm__(
    ".text\n"
    ".globl run_bound_enter, run_bound_site, run_elsewhere, run_after_signal\n"
    ".type run_bound_enter, @function\n"
    "run_bound_enter:\n"
    "  pushl %ebp\n  pushl %ebx\n  pushl %esi\n  pushl %edi\n"
    "  movl 20(%esp), %eax\n"
    "  movl %esp, %gs:run_saved_esp@ntpoff\n"
    "  pushl 32(%eax)\n"
    "  popfl\n"
    "  movl 4(%eax), %ecx\n"
    "  movl 8(%eax), %edx\n"
    "  movl 12(%eax), %ebx\n"
    "  movl 20(%eax), %ebp\n"
    "  movl 24(%eax), %esi\n"
    "  movl 28(%eax), %edi\n"
    "  movl %gs:run_eax@ntpoff, %eax\n"
    "  movw %gs:run_ds@ntpoff, %ds\n"
    "run_bound_site:\n"
    "  boundl %eax, (%edx)\n" SAVE_AND_LEAVE("0")
    ".balign 64\n"
    "run_elsewhere:\n" SAVE_AND_LEAVE("1")
    "run_after_signal:\n"
    "  movl %gs:run_saved_esp@ntpoff, %esp\n"
    "  pushl $0x2b\n"
    "  popl %ds\n"
    "  cld\n"
    "  popl %edi\n  popl %esi\n  popl %ebx\n  popl %ebp\n"
    "  ret\n"
    ".size run_bound_enter, . - run_bound_enter\n");

void run_bound(const struct conformance_registers* in, int null_ds, void* stack_top,
               struct run_outcome* outcome) {
  (void)stack_top;
  memset(&run_result, 0, sizeof run_result);
  run_result.landing = UINT32_MAX;
  run_eax = in->eax;
  run_ds = null_ds ? 0 : 0x2b;
  run_bound_enter(in);
  *outcome = run_result;
}

void run_bound_on_signal(void* context) {
  greg_t* const registers = ((ucontext_t*)context)->uc_mcontext.gregs;
  if (registers[REG_EIP] != (greg_t)(uintptr_t)run_bound_site) _exit(3);
  struct conformance_registers* const out = &run_result.out;
  out->eax = (uint32_t)registers[REG_EAX];
  out->ecx = (uint32_t)registers[REG_ECX];
  out->edx = (uint32_t)registers[REG_EDX];
  out->ebx = (uint32_t)registers[REG_EBX];
  out->esp = (uint32_t)registers[REG_ESP];
  out->ebp = (uint32_t)registers[REG_EBP];
  out->esi = (uint32_t)registers[REG_ESI];
  out->edi = (uint32_t)registers[REG_EDI];
  out->eflags = (uint32_t)registers[REG_EFL];
  run_result.trap = (uint32_t)registers[REG_TRAPNO];
  run_result.landing = kLandingHandler;
  registers[REG_DS] = 0x2b;
  registers[REG_EIP] = (greg_t)(uintptr_t)run_after_signal;
}

uintptr_t run_bound_address(void) { return (uintptr_t)run_bound_site; }
uintptr_t run_elsewhere_address(void) { return (uintptr_t)run_elsewhere; }
