// SPDX-License-Identifier: Apache-2.0
#include <asm/prctl.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hosts/inproc/machine.h"

namespace kebound::inproc {
namespace {

constexpr unsigned long kHwcap2Fsgsbase = 2;
bool g_fsgsbase = false;

struct Place {
  int greg;
  x86::Gpr gpr;
};
constexpr Place kPlaces[] = {
    {REG_RAX, x86::Rax}, {REG_RCX, x86::Rcx}, {REG_RDX, x86::Rdx}, {REG_RBX, x86::Rbx},
    {REG_RSP, x86::Rsp}, {REG_RBP, x86::Rbp}, {REG_RSI, x86::Rsi}, {REG_RDI, x86::Rdi},
    {REG_R8, x86::R8},   {REG_R9, x86::R9},   {REG_R10, x86::R10}, {REG_R11, x86::R11},
    {REG_R12, x86::R12}, {REG_R13, x86::R13}, {REG_R14, x86::R14}, {REG_R15, x86::R15},
};

uint64_t gs_base() noexcept {
  uint64_t base = 0;
  if (g_fsgsbase) {
    __asm__ volatile("rdgsbase %0" : "=r"(base));
  } else {
    syscall(SYS_arch_prctl, ARCH_GET_GS, &base);
  }
  return base;
}

void set_gs_base(uint64_t base) noexcept {
  if (g_fsgsbase) {
    __asm__ volatile("wrgsbase %0" : : "r"(base) : "memory");
  } else {
    syscall(SYS_arch_prctl, ARCH_SET_GS, base);
  }
}

}  // namespace

void prepare_machine() noexcept { g_fsgsbase = (getauxval(AT_HWCAP2) & kHwcap2Fsgsbase) != 0; }

unsigned trap_number(const ucontext_t& context) noexcept {
  return static_cast<unsigned>(context.uc_mcontext.gregs[REG_TRAPNO]);
}

uint64_t instruction_pointer(const ucontext_t& context) noexcept {
  return static_cast<uint64_t>(context.uc_mcontext.gregs[REG_RIP]);
}

void set_instruction_pointer(ucontext_t& context, uint64_t ip) noexcept {
  context.uc_mcontext.gregs[REG_RIP] = static_cast<greg_t>(ip);
}

void read_registers(const ucontext_t& context, x86::Registers& registers) noexcept {
  const greg_t* gregs = context.uc_mcontext.gregs;
  for (const Place& place : kPlaces) {
    registers.gpr[place.gpr] = static_cast<uint64_t>(gregs[place.greg]);
  }
  registers.rip = static_cast<uint64_t>(gregs[REG_RIP]);
  registers.rflags = static_cast<uint64_t>(gregs[REG_EFL]);
  const uint64_t selectors = static_cast<uint64_t>(gregs[REG_CSGSFS]);
  registers.cs = static_cast<uint16_t>(selectors);
  registers.gs = static_cast<uint16_t>(selectors >> 16);
  registers.fs = static_cast<uint16_t>(selectors >> 32);
  registers.ss = static_cast<uint16_t>(selectors >> 48);
  // The kernel neither saves these two nor changes them for a handler of a 64-bit process.
  __asm__ volatile("mov %%ds, %0" : "=r"(registers.ds));
  __asm__ volatile("mov %%es, %0" : "=r"(registers.es));
  registers.fs_base = 0;
  registers.gs_base = 0;
}

void read_segment_bases(x86::Registers& registers) noexcept {
  if (registers.fs != 0) syscall(SYS_arch_prctl, ARCH_GET_FS, &registers.fs_base);
  if (registers.gs != 0) registers.gs_base = gs_base();
}

void write_registers(const x86::Registers& registers, ucontext_t& context) noexcept {
  greg_t* gregs = context.uc_mcontext.gregs;
  const uint64_t selectors = static_cast<uint64_t>(gregs[REG_CSGSFS]);
  const uint64_t mask = static_cast<uint16_t>(selectors) == kCode64 ? ~uint64_t{0} : 0xffffffff;
  for (const Place& place : kPlaces) {
    const uint64_t value = registers.gpr[place.gpr];
    const uint64_t before = static_cast<uint64_t>(gregs[place.greg]);
    // A 32-bit register that nobody changed keeps its upper half, which is out of sight; one that
    // is written loses it, as if by an instruction. r8 and up are out of sight altogether.
    const bool changed = ((value ^ before) & mask) != 0;
    if (place.gpr >= x86::R8) {
      gregs[place.greg] = static_cast<greg_t>(value);
    } else if (changed) {
      gregs[place.greg] = static_cast<greg_t>(value & mask);
    }
  }
  gregs[REG_RIP] = static_cast<greg_t>(registers.rip & mask);
  gregs[REG_EFL] = static_cast<greg_t>((static_cast<uint64_t>(gregs[REG_EFL]) & ~x86::kUserFlags) |
                                       (registers.rflags & x86::kUserFlags));
}

void enter_nt(void* kpcr, uint64_t& saved) noexcept {
  saved = gs_base();
  set_gs_base(reinterpret_cast<uint64_t>(kpcr));
}

void leave_nt(uint64_t saved) noexcept { set_gs_base(saved); }

void prepare_kpcr(void* kpcr, void* kthread) noexcept {
  constexpr size_t kSelf = 0x18;
  constexpr size_t kCurrentPrcb = 0x20;
  constexpr size_t kPrcb = 0x180;
  constexpr size_t kCurrentThread = 0x188;
  auto* const bytes = static_cast<char*>(kpcr);
  char* const prcb = bytes + kPrcb;
  memcpy(bytes + kSelf, &kpcr, sizeof kpcr);
  memcpy(bytes + kCurrentPrcb, &prcb, sizeof prcb);
  memcpy(bytes + kCurrentThread, &kthread, sizeof kthread);
}

extern "C" void kebound_restore() noexcept;

void (*signal_restorer() noexcept)() { return kebound_restore; }

SignalEntry signal_entry() noexcept { return kebound_on_signal; }

}  // namespace kebound::inproc

// kebound_copy has a quick way for the two sizes that every BOUND needs: its bytes and its bounds.
// The restorer has no unwind table on purpose: unwinders and debuggers know a signal frame by
// exactly these bytes.
__asm__(R"(
  .text
  .globl kebound_copy
  .hidden kebound_copy
  .type kebound_copy, @function
  .hidden kebound_copy_fault
  .hidden kebound_copy_resume
  .hidden kebound_copy_slow
kebound_copy:
  .cfi_startproc
  cmp $8, %rdx
  je 1f
  cmp $15, %rdx
  jne kebound_copy_slow
  mov (%rsi), %rcx
  mov 7(%rsi), %r8
  mov %rcx, (%rdi)
  mov %r8, 7(%rdi)
  mov $15, %eax
  ret
1:
  mov (%rsi), %rcx
  mov %rcx, (%rdi)
  mov $8, %eax
  ret
  .globl kebound_copy_slow
kebound_copy_slow:
  mov %rdx, %rcx
  mov %rdx, %rax
  .globl kebound_copy_fault
kebound_copy_fault:
  rep movsb
  .globl kebound_copy_resume
kebound_copy_resume:
  sub %rcx, %rax
  ret
  .cfi_endproc
  .size kebound_copy, . - kebound_copy

  .balign 16
  nop
  .globl kebound_restore
  .hidden kebound_restore
  .type kebound_restore, @function
kebound_restore:
  mov $15, %rax
  syscall
  .size kebound_restore, . - kebound_restore
)");
