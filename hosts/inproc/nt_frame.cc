// SPDX-License-Identifier: Apache-2.0
#include "hosts/inproc/nt_frame.h"

namespace kebound::inproc {
namespace {

struct Field {
  ULONG64 KTRAP_FRAME::*member;
  unsigned gpr;
};
constexpr Field kFields[] = {
    {&KTRAP_FRAME::Rax, KEBOUND_RAX}, {&KTRAP_FRAME::Rcx, KEBOUND_RCX},
    {&KTRAP_FRAME::Rdx, KEBOUND_RDX}, {&KTRAP_FRAME::Rbx, KEBOUND_RBX},
    {&KTRAP_FRAME::Rsp, KEBOUND_RSP}, {&KTRAP_FRAME::Rbp, KEBOUND_RBP},
    {&KTRAP_FRAME::Rsi, KEBOUND_RSI}, {&KTRAP_FRAME::Rdi, KEBOUND_RDI},
    {&KTRAP_FRAME::R8, KEBOUND_R8},   {&KTRAP_FRAME::R9, KEBOUND_R9},
    {&KTRAP_FRAME::R10, KEBOUND_R10}, {&KTRAP_FRAME::R11, KEBOUND_R11},
};

void fill(const kebound_registers& registers, KTRAP_FRAME& frame) noexcept {
  for (const Field& field : kFields) frame.*field.member = registers.gpr[field.gpr];
  frame.ErrorCode = 0;
  frame.Rip = registers.ip;
  frame.EFlags = static_cast<ULONG>(registers.flags);
  frame.SegCs = registers.cs;
  frame.SegSs = registers.ss;
}

void take(const KTRAP_FRAME& frame, kebound_registers& registers) noexcept {
  for (const Field& field : kFields) registers.gpr[field.gpr] = frame.*field.member;
  registers.ip = frame.Rip;
  registers.flags = (registers.flags & ~uint64_t{UINT32_MAX}) | frame.EFlags;
}

}  // namespace

RawAnswer call_nt_routine(ThreadState& state, void* routine,
                          kebound_registers& registers) noexcept {
  fill(registers, state.frame);
  enter_nt(state.kpcr, state.program_gs);
  state.in_nt_callback = true;
  const RawAnswer answer = static_cast<RawAnswer>(reinterpret_cast<PBOUND_CALLBACK>(routine)());
  state.in_nt_callback = false;
  leave_nt(state.program_gs);
  take(state.frame, registers);
  return answer;
}

}  // namespace kebound::inproc
