// SPDX-License-Identifier: Apache-2.0
//
// For tests and fuzzing: the questions of instruction.h answered by Zydis. Nothing is shared with
// the code under test but its types.
#pragma once

#include <span>
#include <string>

#include "trap/x86/instruction.h"

namespace kebound::x86::oracle {

// Empty when decode_instruction() is right about the beginning of `code`:
//   it knows every instruction that Zydis knows, with the same length;
//   the named operations are those of Zydis, with the same operands and effects;
//   of everything else it says no less than Zydis does.
// Otherwise the disagreement. What Zydis does not know may be Other or nothing.
std::string disagreement(std::span<const uint8_t> code, uint64_t address, CodeMode mode);

// How much more is said of one instruction than has to be: a general register or memory that Zydis
// does not see written. 0 is exact; nothing where Zydis knows none.
struct Surplus {
  unsigned length = 0;  // of the instruction, 0 if none
  bool named = false;
  bool registers = false;
  bool flags = false;
  bool memory = false;
};
Surplus surplus(std::span<const uint8_t> code, uint64_t address, CodeMode mode);

}  // namespace kebound::x86::oracle
