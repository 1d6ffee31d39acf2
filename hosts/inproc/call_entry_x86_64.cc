// SPDX-License-Identifier: Apache-2.0
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "hosts/inproc/call_entry.h"
#include "hosts/inproc/machine.h"

namespace kebound::inproc {

struct CallRegisters {
  // The program's arguments for printing functions; va_arg reads this layout of the two.
  alignas(16) uint64_t argument_area[6 + 16];
  uint64_t gpr[16];
  uint64_t ip;
  uint64_t flags;
};
static_assert(offsetof(CallRegisters, gpr) == 176);
static_assert(offsetof(CallRegisters, ip) == 304);
static_assert(sizeof(CallRegisters) == 320);

void read_call_registers(const CallRegisters& saved, x86::Registers& registers) noexcept {
  memcpy(registers.gpr, saved.gpr, sizeof saved.gpr);
  registers.rflags = saved.flags;
  registers.cs = kCode64;
  __asm__("mov %%ss, %0" : "=r"(registers.ss));
  __asm__("mov %%ds, %0" : "=r"(registers.ds));
  __asm__("mov %%es, %0" : "=r"(registers.es));
  __asm__("mov %%fs, %0" : "=r"(registers.fs));
  __asm__("mov %%gs, %0" : "=r"(registers.gs));
}

void write_call_registers(const x86::Registers& registers, CallRegisters& saved) noexcept {
  memcpy(saved.gpr, registers.gpr, sizeof saved.gpr);
  saved.ip = registers.rip;
  saved.flags = (saved.flags & ~x86::kUserFlags) | (registers.rflags & x86::kUserFlags);
}

void go_on_at(CallRegisters& saved, const void* function) noexcept {
  saved.ip = reinterpret_cast<uintptr_t>(function);
}

void return_from_call(CallRegisters& saved, long result) noexcept {
  uint64_t& stack = saved.gpr[x86::Rsp];
  memcpy(&saved.ip, reinterpret_cast<const void*>(stack), sizeof saved.ip);
  stack += sizeof saved.ip;
  saved.gpr[x86::Rax] = static_cast<uint64_t>(result);
}

int print_arguments(const CallRegisters& saved, char* to, size_t size, unsigned format_argument,
                    bool is_list) noexcept {
  const uint64_t* const words = saved.argument_area;
  const auto* const format = reinterpret_cast<const char*>(words[format_argument]);
  va_list arguments;
  if (is_list) {
    // An array type: what is passed is a pointer to its element.
    va_copy(arguments, *reinterpret_cast<va_list*>(words[format_argument + 1]));
  } else {
    struct {
      unsigned general;
      unsigned vector;
      void* overflow;
      const void* area;
    } start;
    constexpr unsigned kGeneralBytes = 48;
    start.general = (format_argument + 1) * 8;
    start.vector = kGeneralBytes;
    start.overflow = reinterpret_cast<char*>(saved.gpr[x86::Rsp]) + 8;
    start.area = words;
    static_assert(sizeof start == sizeof arguments);
    memcpy(&arguments, &start, sizeof start);
  }
  const int result = vsnprintf(to, size, format, arguments);
  va_end(arguments);
  return result;
}

}  // namespace kebound::inproc

// An entry pushes its number and keeps all registers in a CallRegisters below. What is written
// below the stack pointer at the end lies in what was ours, or where the return address of the call
// was.
__asm__(R"(
  .macro kebound_entry symbol, number
  .text
  .globl \symbol
  .type \symbol, @function
\symbol:
  .cfi_startproc
  endbr64
  .endm
  .macro kebound_ask symbol, number
.Lkebound_ask_\number:
  push $\number
  .cfi_adjust_cfa_offset 8
  jmp kebound_call_entry
  .cfi_endproc
  .size \symbol, . - \symbol
  .section .data.rel.kebound, "aw"
  .balign 8
  .quad .Lkebound_ask_\number
  .section .data.rel.ro.kebound, "aw"
  .balign 8
  .quad \symbol
  .text
  .endm
  .macro kebound_always number, symbol
  kebound_entry \symbol, \number
  kebound_ask \symbol, \number
  .endm
  .macro kebound_count3 number, symbol
  kebound_entry \symbol, \number
  cmp %rdx, %rcx
  jb .Lkebound_ask_\number
  jmp *kebound_originals + 8 * \number(%rip)
  kebound_ask \symbol, \number
  .endm
  .macro kebound_count2 number, symbol
  kebound_entry \symbol, \number
  cmp %rsi, %rcx
  jb .Lkebound_ask_\number
  jmp *kebound_originals + 8 * \number(%rip)
  kebound_ask \symbol, \number
  .endm

  .section .data.rel.kebound, "aw"
  .balign 8
  .globl kebound_originals
  .hidden kebound_originals
kebound_originals:
  .section .data.rel.ro.kebound, "aw"
  .balign 8
  .globl kebound_call_entries
  .hidden kebound_call_entries
kebound_call_entries:
  .text
)");

#define KEBOUND_ALWAYS(number, symbol) __asm__("kebound_always " #number ", " #symbol);
#define KEBOUND_COUNT3(number, symbol) __asm__("kebound_count3 " #number ", " #symbol);
#define KEBOUND_COUNT2(number, symbol) __asm__("kebound_count2 " #number ", " #symbol);
KEBOUND_CALL_SYMBOLS(KEBOUND_ALWAYS, KEBOUND_COUNT3, KEBOUND_COUNT2, KEBOUND_ALWAYS)

__asm__(R"(
  .text
  .type kebound_call_entry, @function
kebound_call_entry:
  .cfi_startproc
  .cfi_def_cfa_offset 16
  pushfq
  .cfi_adjust_cfa_offset 8
  sub $328, %rsp
  .cfi_adjust_cfa_offset 328
  mov %rdi, 0(%rsp)
  mov %rsi, 8(%rsp)
  mov %rdx, 16(%rsp)
  mov %rcx, 24(%rsp)
  mov %r8, 32(%rsp)
  mov %r9, 40(%rsp)
  movups %xmm0, 48(%rsp)
  movups %xmm1, 64(%rsp)
  movups %xmm2, 80(%rsp)
  movups %xmm3, 96(%rsp)
  movups %xmm4, 112(%rsp)
  movups %xmm5, 128(%rsp)
  movups %xmm6, 144(%rsp)
  movups %xmm7, 160(%rsp)
  mov %rax, 176(%rsp)
  mov %rcx, 184(%rsp)
  mov %rdx, 192(%rsp)
  mov %rbx, 200(%rsp)
  mov %rbp, 216(%rsp)
  mov %rsi, 224(%rsp)
  mov %rdi, 232(%rsp)
  mov %r8, 240(%rsp)
  mov %r9, 248(%rsp)
  mov %r10, 256(%rsp)
  mov %r11, 264(%rsp)
  mov %r12, 272(%rsp)
  mov %r13, 280(%rsp)
  mov %r14, 288(%rsp)
  mov %r15, 296(%rsp)
  mov 328(%rsp), %rax
  mov %rax, 312(%rsp)
  mov 336(%rsp), %esi
  lea 344(%rsp), %rax
  mov %rax, 208(%rsp)
  mov %rsp, %rdi
  cld
  call kebound_on_call
  test %eax, %eax
  jz 1f
  movups 48(%rsp), %xmm0
  movups 64(%rsp), %xmm1
  movups 80(%rsp), %xmm2
  movups 96(%rsp), %xmm3
  movups 112(%rsp), %xmm4
  movups 128(%rsp), %xmm5
  movups 144(%rsp), %xmm6
  movups 160(%rsp), %xmm7
  mov 208(%rsp), %rax
  mov 304(%rsp), %rcx
  mov %rcx, -8(%rax)
  push 312(%rsp)
  popfq
  mov 176(%rsp), %rax
  mov 184(%rsp), %rcx
  mov 192(%rsp), %rdx
  mov 200(%rsp), %rbx
  mov 216(%rsp), %rbp
  mov 224(%rsp), %rsi
  mov 232(%rsp), %rdi
  mov 240(%rsp), %r8
  mov 248(%rsp), %r9
  mov 256(%rsp), %r10
  mov 264(%rsp), %r11
  mov 272(%rsp), %r12
  mov 280(%rsp), %r13
  mov 288(%rsp), %r14
  mov 296(%rsp), %r15
  mov 208(%rsp), %rsp
  lea -8(%rsp), %rsp
  ret
1:
  # Into the function: what a called function may not rely on (flags, r11) is not restored.
  movups 48(%rsp), %xmm0
  movups 64(%rsp), %xmm1
  movups 80(%rsp), %xmm2
  movups 96(%rsp), %xmm3
  movups 112(%rsp), %xmm4
  movups 128(%rsp), %xmm5
  movups 144(%rsp), %xmm6
  movups 160(%rsp), %xmm7
  mov 176(%rsp), %rax
  mov 184(%rsp), %rcx
  mov 192(%rsp), %rdx
  mov 224(%rsp), %rsi
  mov 232(%rsp), %rdi
  mov 240(%rsp), %r8
  mov 248(%rsp), %r9
  mov 256(%rsp), %r10
  mov 304(%rsp), %r11
  add $344, %rsp
  .cfi_adjust_cfa_offset -344
  jmp *%r11
  .cfi_endproc
  .size kebound_call_entry, . - kebound_call_entry
)");
