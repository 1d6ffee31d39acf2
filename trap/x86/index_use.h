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
#include "trap/x86/linear_form.h"

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
  // The address is not calculated from the index, but moves in step with it (index_steps.h): what
  // is added to the index before it addresses memory may be in `base`.
  bool in_step = false;
  // In step, and the base is a sum of several values; `base` only tells it from other bases.
  bool summed = false;
  // As well, and only the arrays tell whether the sum leads to another element.
  bool loose = false;
  // In step: where it is while all numbers are 0 is known, and what others are multiplied by.
  bool placed = false;
  uint64_t place = 0;
  uint8_t other_count = 0;
  int32_t others[LinearForm::kMax] = {};
};

// Memory that depends on the index, by base + index * scale + displacement: what is accessed, or an
// address that is passed on.
struct IndexedMemory {
  Value base;   // bits 0: none
  Value index;  // as well
  uint8_t scale = 1;
  uint8_t bytes = 0;     // 0: not known
  bool passed = false;   // on, as an address
  bool certain = false;  // passed: it is one, and no other sum
  int64_t displacement = 0;

  bool operator==(const IndexedMemory&) const = default;
};

struct UseRoom {
  static constexpr unsigned kMaxForms = 24;
  IndexTags blocks[kMaxFlowBlocks];  // at the beginning of each
  IndexTags exceptional;
  // How the accesses behind the check depend on the index, one of each kind.
  bool more_forms = false;         // or some that are not known
  bool unlinear = false;           // those are by what was divided, masked, or the like
  bool related_access = false;     // by what was calculated from the same number before the check
  bool in_step = false;            // or move in step with it, without having been made from it
  bool more_steps = false;         // and it is not known which element that is
  bool beside = false;             // or move in step with a part of it, and not with all
  bool displaced_address = false;  // with a displacement, of an element that was not seen
  uint8_t form_count = 0;
  AccessForm forms[kMaxForms];
  // The same as they are in the code, with the addresses that are made of the index and passed on.
  bool more_memory = false;
  // What the index, or what that was made from, is part of in a way that is not known is accessed,
  // or passed on: it may be an address of another element.
  bool related_address = false;
  uint8_t memory_count = 0;
  IndexedMemory memory[kMaxForms];
  // Instructions whose address was made from the index, a bit for each.
  uint64_t followed[kMaxFlowInstructions / 64];
};

struct CheckRoom {
  FlowRoom flow;
  UseRoom uses;
  IndexFormula formula;
  LoopRoom loops;
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

// How sure an access of what is `factor` bytes further with each index makes it that it is one.
[[nodiscard]] IndexProof proof_of(const Instruction& in, int32_t factor) noexcept;
// Bytes that are accessed; 0: not known.
[[nodiscard]] uint8_t accessed_bytes(const Instruction& in) noexcept;
// Notes a form, unless it is there.
void add_form(UseRoom& uses, const AccessForm& form) noexcept;

// The access that is the check's own, of at least the quality `least`; null where it is not known
// which one that is.
[[nodiscard]] const AccessForm* own_form(const UseRoom& uses, const SisterChecks& sisters,
                                         IndexProof least) noexcept;

// Takes from `uses` what moves in step with the index and is the matter of a sister, if `own` is
// the check's own.
void leave_out_sisters(UseRoom& uses, const SisterChecks& sisters, AccessForm own) noexcept;

// The index at the compare, and its copies there; the first is the compared operand.
struct IndexCopies {
  ValueId value = kAnonymous;
  uint8_t bits = 0;  // of the value, that the compare depends on
  uint8_t count = 0;
  bool all = true;  // there was room for all
  Place places[kMaxCopies] = {};
  IndexChain chain;
  // Results behind the check that are the same number (index_again.h).
  uint8_t again_count = 0;
  ValueId again[IndexAgain::kMax] = {};

  // The compared number itself, or one that has passed the check as well.
  [[nodiscard]] bool is_compared(ValueId id) const noexcept;
  // As well, or what that was made of.
  [[nodiscard]] bool is_own(ValueId id) const noexcept;
};

class IndexUse {
 public:
  IndexUse(FlowAnalysis& flow, UseRoom& room, const TrapEdge& edge,
           const BoundShape& shape) noexcept
      : flow_(flow), room_(room), edge_(edge), shape_(shape) {}

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
  void note_memory(const Instruction& in, const FlowState& before, const IndexTag& base,
                   const IndexTag& index) noexcept;
  void note_related(PlaceSet places, const IndexTags& tags) noexcept;
  void note_related_use(const Instruction& in, PlaceSet places, const IndexTags& tags) noexcept;
  void note_passed(const FlowState& before, PlaceSet places, const IndexTags& tags) noexcept;
  void note_store(const Instruction& in, const FlowState& before, const FlowEffect& effect,
                  const IndexTags& tags) noexcept;
  void note_address(const Instruction& in, const FlowState& before, IndexTag& sum) noexcept;
  [[nodiscard]] bool adds_address(const Instruction& in, const FlowState& before) const noexcept;
  void add_memory(const IndexedMemory& memory) noexcept;
  void prove(IndexProof proof, bool displaced, int32_t factor) noexcept;
  void note_extension(const Instruction& in, const IndexTags& tags) noexcept;
  void leave(uint16_t index, uint64_t last, const Instruction& in, const FlowState& state,
             const Pending& pending, const IndexTags& tags, bool quiet, bool& changed) noexcept;
  [[nodiscard]] bool is_checked(const Value& value, ValueId checked, bool own) const noexcept;
  [[nodiscard]] bool begins_with(uint64_t address, Op op) const noexcept;
  void enter(uint16_t block, const IndexTags& tags, bool& changed) noexcept;
  [[nodiscard]] uint16_t all_of(const IndexTags& tags, PlaceSet places) const noexcept;
  [[nodiscard]] uint16_t addresses_of(const IndexTags& tags, PlaceSet places) const noexcept;

  FlowAnalysis& flow_;
  UseRoom& room_;
  const TrapEdge& edge_;
  const BoundShape& shape_;
  IndexUses uses_;
  const IndexAgain* again_ = nullptr;
  const IndexChain* chain_ = nullptr;
  uint8_t bits_ = 0;                 // of the index; with fewer it is another number
  uint16_t first_block_ = kNoBlock;  // behind the check
  bool is_ud1_ = false;              // its trap
  bool is_bare_ = false;             // a trap that does not say what was checked
  uint64_t at_ = 0;                  // the instruction that is looked at
  uint16_t number_ = 0;              // of it
};

}  // namespace kebound::x86
