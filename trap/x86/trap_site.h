// SPDX-License-Identifier: Apache-2.0
//
// What the code says about one trap: the branches that lead to it. Plain data that stays true as
// long as the code does; made once and kept. Freestanding.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "trap/bound_event.h"
#include "trap/x86/check_recovery.h"
#include "trap/x86/compiler_trap.h"
#include "trap/x86/function_code.h"

namespace kebound::x86 {

// A conditional branch that leads to the trap.
struct TrapEdge {
  uint64_t branch = 0;          // address of the Jcc
  uint64_t compare = 0;         // of the instruction that sets its flags, 0 if that is not known
  uint8_t condition = 0;        // of the flags, under which the way leads to the trap
  bool memory_written = false;  // between compare and trap
  bool chained = false;         // right behind another branch to the trap, which decides first
  uint16_t written = 0;         // registers written between compare and trap, a bit each
  uint8_t length = 0;           // of the compare
  uint8_t bytes[kMaxInstructionLength] = {};  // the compare
};

// Finds what sets the flags of the branch at edge.branch: edge.compare, and what is written
// between.
void find_branch_compare(const FunctionCode& code, TrapEdge& edge) noexcept;

// jae 1f; jmp 2f; 1: the trap. Whoever optimizes inverts the condition and has no jump.
[[nodiscard]] bool jumps_over_a_jump(const TrapEdge& edge, const FunctionCode& code) noexcept;

// Loads the function around `address`. Context: as find_trap_edges().
[[nodiscard]] bool load_function(uint64_t address, const RecoverySource& source,
                                 FunctionCode& code) noexcept;

inline constexpr size_t kMaxEdges = 96;

struct TrapSite {
  uint64_t trap_ip = 0;
  CompilerTrap trap;
  // Why edges are missing; None: these are all.
  Doubt doubt = Doubt::None;
  uint8_t edge_count = 0;
  TrapEdge edges[kMaxEdges];
};

// Instructions from which code goes to the trap without a further decision: the trap itself, jumps
// to it, what stands before it.
struct TrapEntries {
  struct Entry {
    uint64_t address = 0;
    uint16_t written = 0;  // registers written from there to the trap
  };
  static constexpr size_t kMax = 24;
  uint8_t count = 0;
  bool complete = true;  // all were noted, and nothing else leads there
  Entry entries[kMax];

  [[nodiscard]] const Entry* find(uint64_t address) const noexcept;
  bool add(uint64_t address, uint16_t written) noexcept;
};

// Finds the branches to the trap at `trap_ip`: in its function, and, if that has none, in the
// functions of the image that jump into it (what gcc makes foo.cold of). `code` is the room for the
// functions' code, its content is lost; `entries` are those of the trap. Context: anywhere.
void find_trap_edges(uint64_t trap_ip, const RecoverySource& source, FunctionCode& code,
                     TrapEntries& entries, TrapSite& site) noexcept;

}  // namespace kebound::x86
