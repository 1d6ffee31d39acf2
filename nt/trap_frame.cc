// SPDX-License-Identifier: Apache-2.0
#include "nt/trap_frame.h"

namespace kebound::nt {

namespace {

constexpr uint16_t kUserCs64 = 0x33;

struct Field {
  ULONG64 KTRAP_FRAME::*member;
  x86::Gpr gpr;
};
constexpr Field kFields[] = {
    {&KTRAP_FRAME::Rax, x86::Rax}, {&KTRAP_FRAME::Rcx, x86::Rcx}, {&KTRAP_FRAME::Rdx, x86::Rdx},
    {&KTRAP_FRAME::Rbx, x86::Rbx}, {&KTRAP_FRAME::Rsp, x86::Rsp}, {&KTRAP_FRAME::Rbp, x86::Rbp},
    {&KTRAP_FRAME::Rsi, x86::Rsi}, {&KTRAP_FRAME::Rdi, x86::Rdi}, {&KTRAP_FRAME::R8, x86::R8},
    {&KTRAP_FRAME::R9, x86::R9},   {&KTRAP_FRAME::R10, x86::R10}, {&KTRAP_FRAME::R11, x86::R11},
};

}  // namespace

void fill_trap_frame(const x86::Registers& registers, KTRAP_FRAME& frame) noexcept {
  frame = KTRAP_FRAME{};
  for (const Field& field : kFields) frame.*field.member = registers.gpr[field.gpr];
  frame.Rip = registers.rip;
  frame.EFlags = static_cast<ULONG>(registers.rflags);
  frame.SegCs = registers.cs;
  frame.SegSs = registers.ss;
  frame.SegDs = registers.ds;
  frame.SegEs = registers.es;
  frame.SegFs = registers.fs;
  frame.SegGs = registers.gs;
  frame.GsBase = registers.gs_base;
  frame.PreviousMode = UserMode;
  frame.ExceptionActive = 1;
}

void apply_trap_frame(const KTRAP_FRAME& frame, x86::Registers& registers) noexcept {
  registers.cs = frame.SegCs;
  registers.ss = frame.SegSs;
  // As on hardware, a thread in 32-bit code has no upper halves: a driver may well store a
  // sign-extended value.
  const uint64_t mask = registers.cs == kUserCs64 ? ~uint64_t{0} : uint64_t{0xffffffff};
  for (const Field& field : kFields) registers.gpr[field.gpr] = frame.*field.member & mask;
  registers.rip = frame.Rip & mask;
  registers.rflags = (registers.rflags & ~x86::kUserFlags) | (frame.EFlags & x86::kUserFlags);
}

}  // namespace kebound::nt
