// SPDX-License-Identifier: Apache-2.0
//
// 32-bit code inside a 64-bit process: the signal frame carries selector 0x23 there and back. The
// data selectors are no part of a 64-bit frame; they are loaded once and the process lives with
// them, as DS, ES and a flat SS mean nothing to 64-bit code.
#include <stdio.h>

#include "tests/guests/trap_hw/machine_common.h"

namespace kebound::trap_hw {
namespace {

constexpr uint64_t kAlignmentCheckFlag = uint64_t{1} << 18;

constexpr int kOrder[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                            REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

void handler(int signal, siginfo_t*, void* context) {
  asm volatile(
      "pushfq\n\t"
      "andq %0, (%%rsp)\n\t"
      "popfq" ::"i"(~static_cast<int32_t>(kAlignmentCheckFlag))
      : "cc", "memory");
  on_signal(signal, *static_cast<ucontext_t*>(context));
}

}  // namespace

bool set_up_machine(Machine& machine) noexcept {
  const uint16_t flat = 0x2b;
  asm volatile("movw %0, %%ds\n\tmovw %0, %%es" ::"m"(flat));
  machine.name = "32-bit code of a 64-bit process";
  machine.sees_past_4gib = true;
  machine.has_data_selectors = false;
  machine.fs_selector = 0;
  machine.gs_selector = 0;
  return install_handler(handler);
}

x86::Registers baseline_registers() noexcept {
  x86::Registers registers;
  registers.cs = 0x23;
  registers.ds = registers.es = registers.ss = 0x2b;
  registers.rflags = 0x202;
  // FS is the null selector with a base, the thread pointer; in 32-bit code that is a null segment.
  asm volatile("movq %%fs:0, %0" : "=r"(registers.fs_base));
  return registers;
}

void load_registers(const x86::Registers& start, mcontext_t& frame) noexcept {
  for (unsigned i = 0; i < 16; ++i) frame.gregs[kOrder[i]] = static_cast<greg_t>(start.gpr[i]);
  frame.gregs[REG_RIP] = static_cast<greg_t>(start.rip);
  frame.gregs[REG_EFL] = static_cast<greg_t>(start.rflags);
  const uint64_t selectors = uint64_t{start.cs} | uint64_t{start.gs} << 16 |
                             uint64_t{start.fs} << 32 | uint64_t{start.ss} << 48;
  frame.gregs[REG_CSGSFS] = static_cast<greg_t>(selectors);
}

void store_registers(const mcontext_t& frame, x86::Registers& out) noexcept {
  const x86::Registers baseline = baseline_registers();
  for (unsigned i = 0; i < 16; ++i) out.gpr[i] = static_cast<uint64_t>(frame.gregs[kOrder[i]]);
  out.rip = static_cast<uint64_t>(frame.gregs[REG_RIP]);
  out.rflags = static_cast<uint64_t>(frame.gregs[REG_EFL]);
  const auto selectors = static_cast<uint64_t>(frame.gregs[REG_CSGSFS]);
  out.cs = static_cast<uint16_t>(selectors);
  out.gs = static_cast<uint16_t>(selectors >> 16);
  out.fs = static_cast<uint16_t>(selectors >> 32);
  out.ss = static_cast<uint16_t>(selectors >> 48);
  out.ds = baseline.ds;
  out.es = baseline.es;
  out.fs_base = baseline.fs_base;
}

uint32_t vector_of(const mcontext_t& frame) noexcept {
  return static_cast<uint32_t>(frame.gregs[REG_TRAPNO]);
}

}  // namespace kebound::trap_hw
