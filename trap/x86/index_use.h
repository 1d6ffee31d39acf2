// SPDX-License-Identifier: Apache-2.0
//
// What happens behind a check to the index that it checked: which of its copies address memory,
// which are used otherwise, which come back to the check. Freestanding.
#pragma once

#include <stdint.h>

#include "trap/x86/check_site.h"
#include "trap/x86/flow_analysis.h"
#include "trap/x86/index_again.h"
#include "trap/x86/index_chain.h"
#include "trap/x86/index_tag.h"

namespace kebound::x86 {

inline constexpr uint16_t kAllButSuspect = static_cast<uint16_t>(~kSuspect);

// An access at base + index * factor + offset.
struct AccessForm {
  uint64_t base = 0;      // a constant, or the number of a value
  bool constant = false;  // which of both
  uint8_t bytes = 0;      // 0: not known
  IndexProof proof = IndexProof::None;
  int32_t factor = 0;
  int64_t offset = 0;
  uint64_t access = 0;  // the instruction
};

struct UseRoom {
  static constexpr unsigned kMaxForms = 24;
  IndexTags blocks[kMaxFlowBlocks];  // at the beginning of each
  IndexTags exceptional;
  // How the accesses behind the check depend on the index, one of each kind.
  bool more_forms = false;         // or some that are not known
  bool displaced_address = false;  // with a displacement, of an element that was not seen
  bool by_part = false;            // also by a part of the index, which has no check of its own
  bool makes_address = false;      // of what was made of the index and something unrelated
  uint8_t form_count = 0;
  AccessForm forms[kMaxForms];
};

struct CheckRoom {
  FlowRoom flow;
  UseRoom uses;
  IndexFormula formula;
};

// Sets of copies, as in IndexTag::origins.
struct IndexUses {
  uint16_t address = 0;      // they or what was calculated from them addresses memory
  uint16_t value = 0;        // used in another way: compared, stored, passed to a function
  uint16_t rechecked = 0;    // another check is of it
  uint16_t returned = 0;     // comes back to the check, changed
  bool lost = false;         // goes where it is not followed
  bool stale_store = false;  // what the checked access stores was made of what is suspect
  IndexProof proof = IndexProof::None;
  bool displaced = false;
  int32_t factor = 0;
  uint64_t access = 0;         // the instruction that proves it
  bool read_unsigned = false;  // zero-extended
  bool read_signed = false;    // sign-extended
};

// The access that is the check's own, of at least the quality `least`; null where it is not known
// which one that is.
[[nodiscard]] const AccessForm* own_form(const UseRoom& uses, const SisterChecks& sisters,
                                         IndexProof least) noexcept;

// The index at the compare, and its copies there; the first is the compared operand.
struct IndexCopies {
  ValueId value = kAnonymous;
  uint8_t bits = 0;  // of the value, that the compare depends on
  uint8_t count = 0;
  bool all = true;  // there was room for all
  Place places[kMaxCopies] = {};
  IndexChain chain;
};

class IndexUse {
 public:
  IndexUse(FlowAnalysis& flow, UseRoom& room, const TrapEdge& edge, unsigned index_operand) noexcept
      : flow_(flow), room_(room), edge_(edge), index_operand_(index_operand) {}

  // None, or why the uses are not known. `at_compare`: the values there; `again`: results that are
  // the index, too.
  [[nodiscard]] Doubt run(const FlowState& at_compare, const IndexCopies& copies,
                          const IndexAgain& again, IndexUses& uses) noexcept;

 private:
  struct Pending {
    bool valid = false;
    Instruction compare;
    ValueId ids[2] = {};
    uint16_t origins = 0;
    uint16_t flags = 0;  // origins of what the flags were made of, by a compare or otherwise
  };

  bool seed(const FlowState& at_compare, const IndexCopies& copies) noexcept;
  static void seed_chain(const FlowState& at_compare, const IndexChain& chain,
                         IndexTags& tags) noexcept;
  bool block(uint16_t index, bool& changed) noexcept;
  void instruction(const Instruction& in, uint64_t at, const FlowState& before,
                   const FlowEffect& effect, IndexTags& tags, Pending& pending) noexcept;
  void note_access(const Instruction& in, const FlowState& before, const IndexTags& tags) noexcept;
  void note_form(const Instruction& in, const FlowState& before, const IndexTag& base,
                 const IndexTag& index) noexcept;
  void note_part(const FlowState& before, uint8_t reg, const IndexTag& tag) noexcept;
  void note_store(const Instruction& in, const FlowState& before, const FlowEffect& effect,
                  const IndexTags& tags) noexcept;
  void note_address(const Instruction& in, const IndexTag& sum) noexcept;
  void prove(IndexProof proof, bool displaced, int32_t factor) noexcept;
  void note_extension(const Instruction& in, const IndexTags& tags) noexcept;
  void leave(uint16_t index, uint64_t last, const Instruction& in, const FlowState& state,
             const Pending& pending, const IndexTags& tags, bool quiet, bool& changed) noexcept;
  [[nodiscard]] bool begins_with(uint64_t address, Op op) const noexcept;
  void enter(uint16_t block, const IndexTags& tags, bool& changed) noexcept;
  [[nodiscard]] uint16_t all_of(const IndexTags& tags, PlaceSet places) const noexcept;
  [[nodiscard]] uint16_t addresses_of(const IndexTags& tags, PlaceSet places) const noexcept;

  FlowAnalysis& flow_;
  UseRoom& room_;
  const TrapEdge& edge_;
  const unsigned index_operand_;
  IndexUses uses_;
  const IndexAgain* again_ = nullptr;
  ValueId value_ = kAnonymous;       // the index
  uint8_t bits_ = 0;                 // of the index; with fewer it is another number
  uint16_t first_block_ = kNoBlock;  // behind the check
  bool is_ud1_ = false;              // its trap
  uint64_t at_ = 0;                  // the instruction that is looked at
};

}  // namespace kebound::x86
