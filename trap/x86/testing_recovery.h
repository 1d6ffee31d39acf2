// SPDX-License-Identifier: Apache-2.0
//
// A thread that stands at a trap, for the tests of the recovery.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <vector>

#include "trap/x86/check_recovery.h"
#include "trap/x86/compare.h"
#include "trap/x86/fake_memory.h"
#include "trap/x86/recovery_cache.h"

namespace kebound::x86 {

inline constexpr uint64_t kCode = 0x401000;
inline constexpr uint64_t kCold = 0x400800;
inline constexpr uint64_t kStack = 0x7fff0000;
inline constexpr uint64_t kCompareFlags =
    kCarryFlag | kParityFlag | kAdjustFlag | kZeroFlag | kSignFlag | kOverflowFlag;

// A thread that stands at a trap.
class CheckRecovery : public testing::Test {
 protected:
  CheckRecovery() {
    registers.gpr[Rsp] = kStack;
    registers.gpr[Rbp] = kStack;
    memory.page(kStack);
  }

  // The function, with a trap `trap` bytes behind its beginning.
  void function(const std::vector<uint8_t>& code, uint64_t trap) {
    memory.write(kCode, code);
    ranges.push_back({kCode, kCode + code.size()});
    registers.rip = kCode + trap;
  }
  // The flags are those of `a - b`.
  void compared(uint64_t a, uint64_t b, unsigned bits = 64) {
    Instruction compare;
    compare.op = Op::Cmp;
    compare.operand_count = 2;
    const uint64_t values[2] = {a, b};
    for (unsigned i = 0; i < 2; ++i) {
      compare.operands[i].kind = OperandKind::Immediate;
      compare.operands[i].bits = static_cast<uint8_t>(bits);
      compare.operands[i].immediate = static_cast<int64_t>(values[i]);
    }
    CompareResult result;
    ASSERT_EQ(evaluate_compare(compare, registers, mode, memory.reader(), result),
              Evaluation::Done);
    registers.rflags = 0x202 | result.flags;
  }
  bool recover(TrapEvidence evidence = {}) {
    const RecoverySource source{mode,     memory.reader(),     {this, find},
                                evidence, {this, find_arrays}, {this, find_facts}};
    return recover_check(source, registers, *cache, event, recovery);
  }
  bool recover_called() {
    const RecoverySource source{mode, memory.reader(), {this, find}, {}};
    return recover_called_check(source, registers, *cache, event);
  }
  // Registers after the index was corrected to the nearest.
  Registers corrected() {
    const int64_t nearest = event.index < event.lower ? event.lower : event.upper;
    Registers seen = registers;
    seen.rip = event.ip;
    Registers after = seen;
    plan = plan_resumption(event, recovery, seen, &nearest, after);
    EXPECT_EQ(plan.verdict, Resumption::Resume);
    return after;
  }

  CodeMode mode = CodeMode::Bits64;
  FakeMemory memory;
  Registers registers;
  std::vector<CodeRange> ranges;
  CodeRange text{kCold, kCode + 0x1000};
  // Where they begin, and those that have them as elements, or within elements.
  struct KnownArray {
    uint64_t count = 0;
    uint64_t element_size = 0;
  };
  std::map<uint64_t, KnownArray> arrays;
  std::multimap<uint64_t, KnownArray> outer_arrays;
  uint32_t members_of_union = 0;  // how many of the first ones are that
  FunctionFacts facts;            // of all functions; nothing is known by default
  unsigned asked_for_facts = 0;
  std::unique_ptr<RecoveryCache> cache{new RecoveryCache()};
  BoundEvent event;
  Recovery recovery;
  ResumePlan plan;

 private:
  static bool find_arrays(void* self, uint64_t address, ArrayNest& out) noexcept {
    const auto& test = *static_cast<CheckRecovery*>(self);
    out = {};
    const auto add = [&](uint64_t begin, const KnownArray& array) {
      if (address < begin || address - begin >= array.count * array.element_size) return;
      out.levels[out.count++] = {address - begin, array.count, array.element_size};
    };
    for (const auto& [begin, array] : test.arrays) add(begin, array);
    for (const auto& [begin, array] : test.outer_arrays) add(begin, array);
    if (test.members_of_union != 0) out.more_within = 1 + test.members_of_union;
    return out.count != 0;
  }
  static bool find_facts(void* self, uint64_t address, FunctionFacts& out) noexcept {
    auto& test = *static_cast<CheckRecovery*>(self);
    ++test.asked_for_facts;
    EXPECT_EQ(address, kCode);
    out = test.facts;
    return out != FunctionFacts();
  }
  static bool find(void* self, uint64_t address, CodePlace& out) noexcept {
    const auto& test = *static_cast<CheckRecovery*>(self);
    for (const CodeRange& range : test.ranges) {
      if (!range.contains(address)) continue;
      out = {range, test.text};
      return true;
    }
    return false;
  }
};

}  // namespace kebound::x86
