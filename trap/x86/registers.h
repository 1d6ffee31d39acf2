// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>

namespace kebound::x86 {

// Index into Registers::gpr: the encoding order of ModRM and REX.
enum Gpr : uint8_t { Rax, Rcx, Rdx, Rbx, Rsp, Rbp, Rsi, Rdi, R8, R9, R10, R11, R12, R13, R14, R15 };

// The flags that an iret to user mode takes from its frame, and that a callback may change
// therefore: CF PF AF ZF SF TF DF OF NT RF AC ID.
inline constexpr uint64_t kUserFlags = 0x00254dd5;

// The general registers of a stopped x86 thread, 32-bit threads included (upper halves zero there).
struct Registers {
  uint64_t gpr[16] = {};
  uint64_t rip = 0;
  uint64_t rflags = 0;
  uint64_t fs_base = 0;
  uint64_t gs_base = 0;
  uint16_t cs = 0;
  uint16_t ss = 0;
  uint16_t ds = 0;
  uint16_t es = 0;
  uint16_t fs = 0;
  uint16_t gs = 0;

  bool operator==(const Registers&) const = default;
};

}  // namespace kebound::x86
