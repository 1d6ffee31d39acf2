// SPDX-License-Identifier: Apache-2.0
//
// One instruction of 32- or 64-bit code: its length, what it does where that is one of the simple
// integer operations, and for every other instruction what it may change. Freestanding; safe on
// hostile bytes.
// Source: Intel SDM volume 2, appendix A and the pages of the instructions.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "trap/x86/bound.h"

namespace kebound::x86 {

enum class CodeMode : uint8_t { Bits32, Bits64 };

// The operations whose operands are decoded. Operands are in Intel's order, destination first.
enum class Op : uint8_t {
  Other,         // anything else: only the effects are said
  Mov,           // general registers, memory, immediates; moves of segment registers are Other
  Movzx,         // operands[1].bits is the width of the source
  Movsx,         // also movsxd, and cbw, cwde, cdqe: rax from its lower half
  Lea,           // operands[1] is a Memory that is not accessed
  Cmp,           // operands[0] - operands[1]
  Test,          // operands[0] & operands[1]
  Sub,           //
  Add,           //
  And,           //
  Or,            //
  Xor,           //
  Neg,           // one operand
  Not,           // one operand
  Inc,           // one operand
  Dec,           // one operand
  Shl,           // operands[1]: an Immediate (not yet masked to the width), or Register cl
  Shr,           //
  Sar,           //
  Imul,          // two operands, or three: operands[0] = operands[1] * operands[2]
  Adc,           //
  Sbb,           //
  Bt,            // operands[1]: Register or Immediate
  Jcc,           // to `target` if `condition`
  Loop,          // loop, loope, loopne, jrcxz: to `target`, decided by rcx (and ZF)
  Jmp,           // to `target`
  JmpIndirect,   // one operand; far jumps are Other
  Call,          // to `target`; the effects are those of the call itself, not of the function
  CallIndirect,  // one operand; far calls are Other
  Ret,           // near; an Immediate operand if it pops arguments
  Push,          // one operand; segment registers are Other
  Pop,           // one operand; segment registers are Other
  Cmov,          // operands[0] = operands[1] if `condition`
  Setcc,         // operands[0] = `condition`
  Xchg,          // both operands are written
  Cqo,           // cwd, cdq, cqo: operands[0] (rdx) from the sign of operands[1] (rax)
  Ud2,           //
  Ud1,           // with its two operands, which no processor evaluates
  Nop,           //
  Endbr,         //
  Int3,          //
};

enum class OperandKind : uint8_t { None, Register, Memory, Immediate };

struct Operand {
  OperandKind kind = OperandKind::None;
  uint8_t bits = 0;               // width of the value: 8, 16, 32, 64; Lea's Memory: of the address
  uint8_t reg = kNoRegister;      // Register: Gpr
  bool high_byte = false;         // Register: bits 8..15 of `reg`, 0..3 (ah, ch, dh, bh)
  uint8_t base = kNoRegister;     // Memory: Gpr, or kNoRegister; rip-relative addresses have none
  uint8_t index = kNoRegister;    // Memory: Gpr, or kNoRegister
  uint8_t scale = 1;              // Memory: 1, 2, 4, 8; 1 without an index
  uint8_t address_bits = 0;       // Memory: the sum is cut to 16, 32 or 64 bits
  Segment segment = Segment::Ds;  // Memory: Ss for rbp and rsp bases unless overridden
  bool rip_relative = false;      // Memory: `displacement` is the absolute address
  int64_t displacement = 0;       // Memory: sign-extended
  int64_t immediate = 0;          // Immediate: sign-extended from the width of the operation
};

struct Instruction {
  uint8_t length = 0;  // bytes, prefixes included, 1..15
  Op op = Op::Other;
  uint8_t condition = 0;      // Jcc, Setcc, Cmov: the low four bits of the opcode (4 is "equal")
  uint8_t operand_count = 0;  // Other: 0
  Operand operands[3];
  uint64_t target = 0;  // Jcc, Loop, Jmp, Call
  // Call: of what stands behind it, as 32-bit code does to learn its own address. No function is called.
  bool calls_next = false;

  // What it may do, implicit operands included. Never less than what it does. For the named
  // operations exact; for Other more may be said, all registers where nothing better is known.
  uint32_t reads = 0;         // a bit for each Gpr, whatever part of it
  uint32_t writes = 0;        // the same; a partial write is a write
  bool reads_flags = false;   // of CF, PF, AF, ZF, SF, OF
  bool writes_flags = false;  // of the same; also where only some or only sometimes
  bool reads_memory = false;  // the stack by push, pop, call, ret included
  bool writes_memory = false;
  bool ends_block = false;    // a jump, return, trap: the next instruction is not the only way on
  bool falls_through = true;  // the next instruction is one of the ways on

  // A memory operand that exists whatever `op` is, so that also SSE's and x87's accesses can be
  // seen as accesses to an array. bits is 0 where op is Other: the width is not known. Its kind is
  // None if there is none, or if it is a vector of addresses (VSIB).
  Operand memory;
};

[[nodiscard]] constexpr uint32_t register_bit(uint8_t reg) noexcept {
  return reg < 16 ? uint32_t{1} << reg : 0;
}

inline constexpr uint32_t kAllRegisters = 0xffff;

// Decodes the instruction that `code` (`size` readable bytes) begins with and that lies at
// `address`. False, with `out` untouched, for what is no instruction or is longer than `size`.
// Not known are 16-bit code and APX (REX2, extended EVEX). Context: anywhere.
[[nodiscard]] bool decode_instruction(const uint8_t* code, size_t size, uint64_t address,
                                      CodeMode mode, Instruction& out) noexcept;

}  // namespace kebound::x86
