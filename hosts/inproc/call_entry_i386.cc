// SPDX-License-Identifier: Apache-2.0
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "hosts/inproc/call_entry.h"
#include "hosts/inproc/machine.h"

namespace kebound::inproc {

// As pusha and pushf leave them.
struct CallRegisters {
  uint32_t edi, esi, ebp;
  uint32_t unused;  // pusha's own stack pointer
  uint32_t ebx, edx, ecx, eax;
  uint32_t flags;
  uint32_t stack;  // the entry's number at first
  uint32_t ip;
  uint32_t words[1];  // return address and arguments
};
static_assert(offsetof(CallRegisters, flags) == 32);
static_assert(offsetof(CallRegisters, words) == 44);

void read_call_registers(const CallRegisters& saved, x86::Registers& registers) noexcept {
  registers.gpr[x86::Rax] = saved.eax;
  registers.gpr[x86::Rcx] = saved.ecx;
  registers.gpr[x86::Rdx] = saved.edx;
  registers.gpr[x86::Rbx] = saved.ebx;
  registers.gpr[x86::Rsp] = reinterpret_cast<uintptr_t>(saved.words);
  registers.gpr[x86::Rbp] = saved.ebp;
  registers.gpr[x86::Rsi] = saved.esi;
  registers.gpr[x86::Rdi] = saved.edi;
  registers.rflags = saved.flags;
  __asm__("mov %%cs, %0" : "=r"(registers.cs));
  __asm__("mov %%ss, %0" : "=r"(registers.ss));
  __asm__("mov %%ds, %0" : "=r"(registers.ds));
  __asm__("mov %%es, %0" : "=r"(registers.es));
  __asm__("mov %%fs, %0" : "=r"(registers.fs));
  __asm__("mov %%gs, %0" : "=r"(registers.gs));
}

// The last thing that an entry does is to pop the stack pointer from `stack` and to return to what
// is on top there.
static void leave_to(CallRegisters& saved, uint32_t stack, uint32_t ip) noexcept {
  saved.stack = stack - sizeof ip;
  memcpy(reinterpret_cast<void*>(saved.stack), &ip, sizeof ip);
}

void write_call_registers(const x86::Registers& registers, CallRegisters& saved) noexcept {
  saved.eax = static_cast<uint32_t>(registers.gpr[x86::Rax]);
  saved.ecx = static_cast<uint32_t>(registers.gpr[x86::Rcx]);
  saved.edx = static_cast<uint32_t>(registers.gpr[x86::Rdx]);
  saved.ebx = static_cast<uint32_t>(registers.gpr[x86::Rbx]);
  saved.ebp = static_cast<uint32_t>(registers.gpr[x86::Rbp]);
  saved.esi = static_cast<uint32_t>(registers.gpr[x86::Rsi]);
  saved.edi = static_cast<uint32_t>(registers.gpr[x86::Rdi]);
  saved.flags = static_cast<uint32_t>((saved.flags & ~x86::kUserFlags) |
                                      (registers.rflags & x86::kUserFlags));
  leave_to(saved, static_cast<uint32_t>(registers.gpr[x86::Rsp]),
           static_cast<uint32_t>(registers.rip));
}

void go_on_at(CallRegisters& saved, const void* function) noexcept {
  saved.ip = reinterpret_cast<uintptr_t>(function);
}

void return_from_call(CallRegisters& saved, long result) noexcept {
  saved.eax = static_cast<uint32_t>(result);
  leave_to(saved, reinterpret_cast<uintptr_t>(saved.words + 1), saved.words[0]);
}

int print_arguments(const CallRegisters& saved, char* to, size_t size, unsigned format_argument,
                    bool is_list) noexcept {
  const uint32_t* const words = saved.words + 1;
  const auto* const format = reinterpret_cast<const char*>(words[format_argument]);
  // A va_list is where the next argument is.
  const uint32_t next = is_list ? words[format_argument + 1]
                                : reinterpret_cast<uintptr_t>(words + format_argument + 1);
  va_list arguments;
  static_assert(sizeof arguments == sizeof next);
  memcpy(&arguments, &next, sizeof next);
  return vsnprintf(to, size, format, arguments);
}

}  // namespace kebound::inproc

__asm__(R"(
  .macro kebound_entry symbol, number
  .text
  .globl \symbol
  .type \symbol, @function
\symbol:
  .cfi_startproc
  endbr32
  .endm
  .macro kebound_ask symbol, number
.Lkebound_ask_\number:
  push $0
  .cfi_adjust_cfa_offset 4
  push $\number
  .cfi_adjust_cfa_offset 4
  jmp kebound_call_entry
  .cfi_endproc
  .size \symbol, . - \symbol
  .section .data.rel.kebound, "aw"
  .balign 4
  .long .Lkebound_ask_\number
  .section .data.rel.ro.kebound, "aw"
  .balign 4
  .long \symbol
  .text
  .endm
  .macro kebound_original number
  call kebound_own_address
1:
  jmp *kebound_originals + 4 * \number - 1b(%ecx)
  .endm
  .macro kebound_always number, symbol
  kebound_entry \symbol, \number
  kebound_ask \symbol, \number
  .endm
  .macro kebound_count3 number, symbol
  kebound_entry \symbol, \number
  mov 12(%esp), %eax
  cmp %eax, 16(%esp)
  jb .Lkebound_ask_\number
  kebound_original \number
  kebound_ask \symbol, \number
  .endm
  .macro kebound_count2 number, symbol
  kebound_entry \symbol, \number
  mov 8(%esp), %eax
  cmp %eax, 16(%esp)
  jb .Lkebound_ask_\number
  kebound_original \number
  kebound_ask \symbol, \number
  .endm

  .section .data.rel.kebound, "aw"
  .balign 4
  .globl kebound_originals
  .hidden kebound_originals
kebound_originals:
  .section .data.rel.ro.kebound, "aw"
  .balign 4
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
  .type kebound_own_address, @function
kebound_own_address:
  mov (%esp), %ecx
  ret
  .size kebound_own_address, . - kebound_own_address

  .type kebound_call_entry, @function
kebound_call_entry:
  .cfi_startproc
  .cfi_def_cfa_offset 12
  pushf
  .cfi_adjust_cfa_offset 4
  pusha
  .cfi_adjust_cfa_offset 32
  mov %esp, %ebx
  .cfi_def_cfa_register %ebx
  and $-16, %esp
  sub $8, %esp
  push 36(%ebx)
  push %ebx
  cld
  call kebound_on_call
  mov %ebx, %esp
  .cfi_def_cfa_register %esp
  test %eax, %eax
  jz 1f
  popa
  .cfi_adjust_cfa_offset -32
  popf
  .cfi_adjust_cfa_offset -4
  pop %esp
  ret
1:
  # Into the function: it may not rely on ecx and the flags.
  .cfi_def_cfa %esp, 48
  popa
  .cfi_adjust_cfa_offset -32
  mov 8(%esp), %ecx
  lea 12(%esp), %esp
  .cfi_adjust_cfa_offset -12
  jmp *%ecx
  .cfi_endproc
  .size kebound_call_entry, . - kebound_call_entry
)");
