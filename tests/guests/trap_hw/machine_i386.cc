// SPDX-License-Identifier: Apache-2.0
#include <asm/ldt.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/guests/trap_hw/machine_common.h"

namespace kebound::trap_hw {
namespace {

constexpr uint32_t kAlignmentCheckFlag = 1u << 18;

uint16_t own_gs = 0;

// A trial ends with its own FS, GS and alignment checking, and the C library lives behind GS:
// nothing of it may run before this has put things back. Hence no stack protector in this file.
void handler(int signal, siginfo_t*, void* context) {
  asm volatile(
      "pushfl\n\t"
      "andl %0, (%%esp)\n\t"
      "popfl\n\t"
      "movw %1, %%gs" ::"i"(~kAlignmentCheckFlag),
      "m"(own_gs)
      : "cc", "memory");
  on_signal(signal, *static_cast<ucontext_t*>(context));
}

// A thread-local GDT entry with the whole 4 GiB, as the C library makes one; 0 on failure.
uint16_t make_segment(uint32_t base) noexcept {
  user_desc entry = {};
  entry.entry_number = ~0u;
  entry.base_addr = base;
  entry.limit = 0xfffff;
  entry.seg_32bit = 1;
  entry.limit_in_pages = 1;
  entry.useable = 1;
  if (syscall(SYS_set_thread_area, &entry) != 0) {
    perror("trap_hw: set_thread_area");
    return 0;
  }
  return static_cast<uint16_t>(entry.entry_number << 3 | 3);
}

}  // namespace

bool set_up_machine(Machine& machine) noexcept {
  asm volatile("movw %%gs, %0" : "=m"(own_gs));
  machine.name = "i386";
  machine.sees_past_4gib = false;
  machine.has_data_selectors = true;
  machine.fs_selector = make_segment(kFsBase);
  machine.gs_selector = make_segment(kGsBase);
  return machine.fs_selector != 0 && machine.gs_selector != 0 && install_handler(handler);
}

x86::Registers baseline_registers() noexcept {
  x86::Registers registers;
  registers.cs = 0x23;
  registers.ds = registers.es = registers.ss = 0x2b;
  registers.rflags = 0x202;
  return registers;
}

void load_registers(const x86::Registers& start, mcontext_t& frame) noexcept {
  static constexpr int kOrder[8] = {REG_EAX, REG_ECX, REG_EDX, REG_EBX,
                                    REG_ESP, REG_EBP, REG_ESI, REG_EDI};
  for (unsigned i = 0; i < 8; ++i) frame.gregs[kOrder[i]] = static_cast<int>(start.gpr[i]);
  frame.gregs[REG_EIP] = static_cast<int>(start.rip);
  frame.gregs[REG_EFL] = static_cast<int>(start.rflags);
  frame.gregs[REG_CS] = start.cs;
  frame.gregs[REG_SS] = start.ss;
  frame.gregs[REG_DS] = start.ds;
  frame.gregs[REG_ES] = start.es;
  frame.gregs[REG_FS] = start.fs;
  frame.gregs[REG_GS] = start.gs;
}

void store_registers(const mcontext_t& frame, x86::Registers& out) noexcept {
  static constexpr int kOrder[8] = {REG_EAX, REG_ECX, REG_EDX, REG_EBX,
                                    REG_ESP, REG_EBP, REG_ESI, REG_EDI};
  for (unsigned i = 0; i < 8; ++i) out.gpr[i] = static_cast<uint32_t>(frame.gregs[kOrder[i]]);
  out.rip = static_cast<uint32_t>(frame.gregs[REG_EIP]);
  out.rflags = static_cast<uint32_t>(frame.gregs[REG_EFL]);
  // The upper half of a selector's word in the frame is undefined.
  out.cs = static_cast<uint16_t>(frame.gregs[REG_CS]);
  out.ss = static_cast<uint16_t>(frame.gregs[REG_SS]);
  out.ds = static_cast<uint16_t>(frame.gregs[REG_DS]);
  out.es = static_cast<uint16_t>(frame.gregs[REG_ES]);
  out.fs = static_cast<uint16_t>(frame.gregs[REG_FS]);
  out.gs = static_cast<uint16_t>(frame.gregs[REG_GS]);
}

uint32_t vector_of(const mcontext_t& frame) noexcept {
  return static_cast<uint32_t>(frame.gregs[REG_TRAPNO]);
}

}  // namespace kebound::trap_hw
