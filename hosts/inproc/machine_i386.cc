// SPDX-License-Identifier: Apache-2.0
#include <asm/ldt.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hosts/inproc/machine.h"

namespace kebound::inproc {
namespace {

struct Place {
  int greg;
  x86::Gpr gpr;
};
constexpr Place kPlaces[] = {
    {REG_EAX, x86::Rax}, {REG_ECX, x86::Rcx}, {REG_EDX, x86::Rdx}, {REG_EBX, x86::Rbx},
    {REG_ESP, x86::Rsp}, {REG_EBP, x86::Rbp}, {REG_ESI, x86::Rsi}, {REG_EDI, x86::Rdi},
};

uint32_t value_of(const ucontext_t& context, int greg) noexcept {
  return static_cast<uint32_t>(context.uc_mcontext.gregs[greg]);
}

uint16_t selector_of(const ucontext_t& context, int greg) noexcept {
  return static_cast<uint16_t>(context.uc_mcontext.gregs[greg]);
}

// Of a thread-local segment; the kernel knows no others by number.
uint64_t base_of(uint16_t selector) noexcept {
  user_desc descriptor{};
  descriptor.entry_number = selector >> 3;
  if (selector == 0 || syscall(SYS_get_thread_area, &descriptor) != 0) return 0;
  return descriptor.base_addr;
}

}  // namespace

unsigned trap_number(const ucontext_t& context) noexcept { return value_of(context, REG_TRAPNO); }

uint64_t instruction_pointer(const ucontext_t& context) noexcept {
  return value_of(context, REG_EIP);
}

void set_instruction_pointer(ucontext_t& context, uint64_t ip) noexcept {
  context.uc_mcontext.gregs[REG_EIP] = static_cast<greg_t>(ip);
}

void read_registers(const ucontext_t& context, x86::Registers& registers) noexcept {
  registers = x86::Registers{};
  for (const Place& place : kPlaces) registers.gpr[place.gpr] = value_of(context, place.greg);
  // The kernel's handler frame has esp twice; the one it restores is REG_ESP on i386, and both are
  // the thread's.
  registers.rip = value_of(context, REG_EIP);
  registers.rflags = value_of(context, REG_EFL);
  registers.cs = selector_of(context, REG_CS);
  registers.ss = selector_of(context, REG_SS);
  registers.ds = selector_of(context, REG_DS);
  registers.es = selector_of(context, REG_ES);
  registers.fs = selector_of(context, REG_FS);
  registers.gs = selector_of(context, REG_GS);
}

void read_segment_bases(x86::Registers& registers) noexcept {
  registers.fs_base = base_of(registers.fs);
  registers.gs_base = base_of(registers.gs);
}

void write_registers(const x86::Registers& registers, ucontext_t& context) noexcept {
  greg_t* gregs = context.uc_mcontext.gregs;
  for (const Place& place : kPlaces) {
    gregs[place.greg] = static_cast<greg_t>(registers.gpr[place.gpr]);
  }
  gregs[REG_EIP] = static_cast<greg_t>(registers.rip);
  gregs[REG_EFL] =
      static_cast<greg_t>((static_cast<uint64_t>(value_of(context, REG_EFL)) & ~x86::kUserFlags) |
                          (registers.rflags & x86::kUserFlags));
}

// gs is the C library's; KeGetCurrentThread() is a function here.
void enter_nt(void*, uint64_t&) noexcept {}
void leave_nt(uint64_t) noexcept {}
void prepare_kpcr(void*, void*) noexcept {}

extern "C" void kebound_signal_entry(int signal, siginfo_t* info, void* context) noexcept;

namespace {

SignalEntry g_entry = kebound_on_signal;

// kebound_signal_entry has to know how far the vdso's system call entry moves the stack pointer. It
// pushes ecx, edx and ebp (Linux 4.4 and newer); with anything else handlers return the slow way.
bool knows_vdso_entry() noexcept {
  const auto* entry = reinterpret_cast<const uint8_t*>(getauxval(AT_SYSINFO));
  if (entry == nullptr) return false;
  static constexpr uint8_t kPushes[] = {0x51, 0x52, 0x55};
  const uint8_t next = entry[sizeof kPushes];
  const bool pushes_more = next >= 0x50 && next <= 0x57;
  return memcmp(entry, kPushes, sizeof kPushes) == 0 && !pushes_more;
}

}  // namespace

void prepare_machine() noexcept {
  if (knows_vdso_entry()) g_entry = kebound_signal_entry;
}

// The C library must be able to install again what it found installed (a crash reporter saves and
// restores actions), and on i386 it does not carry a restorer along. So we have none.
void (*signal_restorer() noexcept)() { return nullptr; }

SignalEntry signal_entry() noexcept { return g_entry; }

}  // namespace kebound::inproc

// kebound_signal_entry: the handler, which does not return through the kernel's trampoline and its
// int 0x80, but makes the same system call through the vdso's fast entry: microseconds less on many
// machines. It may do so only in the frame that the kernel made: the information lies right behind
// the arguments there. rt_sigreturn wants the stack pointer behind the return address; the call and
// the vdso's three pushes move it down by 16 once more, so it goes up by that before, over the
// arguments, which nobody needs any more.
__asm__(R"(
  .text
  .globl kebound_copy
  .hidden kebound_copy
  .type kebound_copy, @function
  .hidden kebound_copy_fault
  .hidden kebound_copy_resume
  .globl kebound_copy_slow
  .hidden kebound_copy_slow
kebound_copy:
kebound_copy_slow:
  .cfi_startproc
  push %edi
  .cfi_adjust_cfa_offset 4
  .cfi_rel_offset %edi, 0
  push %esi
  .cfi_adjust_cfa_offset 4
  .cfi_rel_offset %esi, 0
  mov 12(%esp), %edi
  mov 16(%esp), %esi
  mov 20(%esp), %ecx
  mov %ecx, %eax
  .globl kebound_copy_fault
kebound_copy_fault:
  rep movsb
  .globl kebound_copy_resume
kebound_copy_resume:
  sub %ecx, %eax
  pop %esi
  .cfi_adjust_cfa_offset -4
  .cfi_restore %esi
  pop %edi
  .cfi_adjust_cfa_offset -4
  .cfi_restore %edi
  ret
  .cfi_endproc
  .size kebound_copy, . - kebound_copy

  .balign 16
  .globl kebound_signal_entry
  .hidden kebound_signal_entry
  .type kebound_signal_entry, @function
kebound_signal_entry:
  .cfi_startproc
  pushl 12(%esp)
  .cfi_adjust_cfa_offset 4
  pushl 12(%esp)
  .cfi_adjust_cfa_offset 4
  pushl 12(%esp)
  .cfi_adjust_cfa_offset 4
  call kebound_on_signal
  add $12, %esp
  .cfi_adjust_cfa_offset -12
  lea 16(%esp), %eax
  cmp %eax, 8(%esp)
  jne 1f
  lea 144(%esp), %eax
  cmp %eax, 12(%esp)
  jne 1f
  add $20, %esp
  .cfi_adjust_cfa_offset -20
  mov $173, %eax
  call *%gs:0x10
  hlt
  .cfi_adjust_cfa_offset 20
1:
  ret
  .cfi_endproc
  .size kebound_signal_entry, . - kebound_signal_entry
)");
