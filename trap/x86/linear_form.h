// SPDX-License-Identifier: Apache-2.0
//
// A value as a sum of others, through instructions and through the turns of loops: of a counter and
// an address that moves with it, both are what they were when the loop began plus a multiple of the
// turns since then. Sums are those of 32 bits: what lies above them is not looked at. Freestanding.
#pragma once

#include <stdint.h>

#include "trap/x86/flow_analysis.h"

namespace kebound::x86 {

// constant + the sum of atoms[i] * factors[i].
struct LinearForm {
  static constexpr unsigned kMax = 6;
  // A number that is not taken apart: a value, by its id; the low bits of one; or kTurns.
  using Atom = uint32_t;
  // How often a loop came back to the block since it was entered.
  static constexpr Atom kTurns = 0x80000000u;  // plus the block

  uint8_t count = 0;
  bool in_memory = false;  // what counts the turns is a variable on the stack
  Atom atoms[kMax] = {};
  int64_t factors[kMax] = {};
  uint64_t constant = 0;

  // It counts up by one with each turn of a loop, and changes in no other.
  [[nodiscard]] bool counts_up() const noexcept;
  // It changes by more than one with each turn of a loop.
  [[nodiscard]] bool skips() const noexcept;
  [[nodiscard]] int64_t factor_of(Atom atom) const noexcept;
  // Adds factor * `other`. False if that is too much for the room.
  [[nodiscard]] bool add(const LinearForm& other, int64_t factor) noexcept;
  [[nodiscard]] bool add(Atom atom, int64_t factor) noexcept;
};

// What a place gets where control flow joins: `entry` by the ways that enter a loop, and by those
// that come back what it was plus `step`.
struct LoopCounter {
  Value entry;
  int32_t step = 0;
  uint32_t entries = 0;  // the ways that enter, a bit each
  bool entered = false;
  bool returns = false;
  bool other = false;    // it is no such place
  bool wanders = false;  // a way brings what is of its own, or was chosen
};

struct LoopRoom {
  LoopCounter counters[kMaxPhis];
  // The ways by which each block is entered, for the loops that are counted.
  uint32_t entries[kMaxFlowBlocks];
  uint8_t ways[kMaxFlowBlocks];
};

class LinearForms {
 public:
  LinearForms(const FlowAnalysis& flow, LoopRoom& room) noexcept : flow_(flow), room_(room) {}

  // Finds what counts the loops of the analysed function. `flow` is the same one.
  void find_counters(FlowAnalysis& flow) noexcept;

  // Adds `factor` times a value to a sum, as far as it can be taken apart. False if nothing is
  // known of it.
  [[nodiscard]] bool add(const Value& value, int64_t factor, LinearForm& form) const noexcept;

  // An atom that no compiler calculates from what counts the turns of a loop: what a caller gave,
  // what a call returned, what was read from memory, and what changes in some turns only.
  [[nodiscard]] bool is_of_its_own(LinearForm::Atom atom) const noexcept;

 private:
  void join(uint16_t block, const FlowState& from) noexcept;
  void note(LoopCounter& counter, ValueId phi, uint32_t way, const Value& value) noexcept;
  [[nodiscard]] bool comes_from_elsewhere(ValueId value) const noexcept;
  [[nodiscard]] bool instruction_of(ValueId value, Instruction& in, uint64_t& at) const noexcept;
  [[nodiscard]] bool is_step(ValueId value, ValueId phi, int32_t& step) const noexcept;
  [[nodiscard]] bool taken_apart(LinearForm::Atom atom, LinearForm& out) const noexcept;
  [[nodiscard]] bool of_instruction(ValueId value, LinearForm& out) const noexcept;

  const FlowAnalysis& flow_;
  LoopRoom& room_;
};

// `address` = `index` * factor + rest. False where it is no such sum, with a factor other than 0
// and nothing of the index in the rest. `related`: they have something in common.
[[nodiscard]] bool divide(const LinearForm& address, const LinearForm& index, int64_t& factor,
                          LinearForm& rest, bool& related) noexcept;

}  // namespace kebound::x86
