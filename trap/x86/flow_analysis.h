// SPDX-License-Identifier: Apache-2.0
//
// Which values a function's registers and variables hold at each point, as far as they are copies
// of each other or calculated from each other. docs/recovery.md says what is concluded from it.
// Freestanding, in room of fixed size.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "trap/x86/check_recovery.h"
#include "trap/x86/flow_state.h"
#include "trap/x86/function_code.h"
#include "trap/x86/trap_site.h"

namespace kebound::x86 {

// Functions that are larger are not analysed. A kernel has no memory that costs nothing until it is
// touched, and chooses less.
#ifdef KEBOUND_SMALL_RECOVERY
inline constexpr size_t kMaxFlowBlocks = 512;
inline constexpr size_t kMaxFlowInstructions = 4096;
inline constexpr size_t kMaxPhis = 4096;
#else
inline constexpr size_t kMaxFlowBlocks = 2048;
inline constexpr size_t kMaxFlowInstructions = 16384;
inline constexpr size_t kMaxPhis = 16384;
#endif
inline constexpr ValueId kFirstPhi =
    static_cast<ValueId>(kFirstDefined + kMaxFlowInstructions * kDefinitionsEach);
inline constexpr size_t kMaxValues = kFirstPhi + kMaxPhis;
static_assert(kMaxValues <= size_t{1} << (8 * sizeof(ValueId)));

inline constexpr uint16_t kNoBlock = 0xffff;

struct FlowBlock {
  uint64_t begin = 0;
  uint64_t end = 0;  // exclusive
  uint16_t first_number = 0;
  uint16_t taken = kNoBlock;   // where a jump at its end goes to, inside of the function
  uint16_t passed = kNoBlock;  // the block behind it, where control may fall through
  bool unknown_entry = false;  // entered by a table of jumps or an exception
  bool leaves = false;         // a jump at its end goes to other code that is not known
};

// Some of a function's blocks. kNoBlock is never one of them.
struct BlockSet {
  uint64_t words[(kMaxFlowBlocks + 63) / 64] = {};
  [[nodiscard]] bool has(unsigned block) const noexcept {
    return block < kMaxFlowBlocks && (words[block / 64] >> (block % 64) & 1) != 0;
  }
  void add(unsigned block) noexcept { words[block / 64] |= uint64_t{1} << (block % 64); }
};

// What a value was calculated from: sum of from[i] * factors[i] plus something unrelated where all
// factors are other than 0. A value where control flow joins has the joined ones.
struct Origin {
  ValueId from[3] = {};
  int16_t factors[3] = {};
  uint8_t loaded = 0;  // as in Assignment
  uint8_t narrow = 0;  // bit i: of from[i] there are fewer than 32 bits
  bool more = false;   // than fit
};

// The room; large.
struct FlowRoom {
  uint16_t block_count = 0;
  uint16_t phi_count = 0;
  uint16_t instruction_count = 0;
  ValueId defined_end = 0;  // behind the last value that an instruction may define
  SlotTable slots;
  FlowState exceptional;  // what an exception may find, by all calls
  FlowBlock blocks[kMaxFlowBlocks];
  FlowState states[kMaxFlowBlocks];        // at the beginning of each
  uint16_t order[kMaxFlowBlocks];          // each block behind those that lead to it, but for loops
  uint8_t entered[kMaxFlowBlocks];         // the last round that came to each
  uint32_t offsets[kMaxFlowInstructions];  // of the instructions, from the function's beginning
  Origin origins[kMaxValues];
  uint8_t zeros[kMaxValues];  // the lowest bits that are 0; of what an instruction has made
  uint16_t phi_block[kMaxPhis];
  Place phi_place[kMaxPhis];
  uint64_t related[(kMaxValues + 63) / 64];  // see mark_related
  uint64_t stale[(kMaxValues + 63) / 64];
  uint64_t unlinear[(kMaxValues + 63) / 64];
  uint64_t suspect[(kMaxValues + 63) / 64];  // see mark_suspect
};

class FlowAnalysis {
 public:
  FlowAnalysis(const FunctionCode& code, const RecoverySource& source, FlowRoom& room) noexcept
      : code_(code), source_(source), room_(room) {}

  // None, or why the function's values are not known.
  [[nodiscard]] Doubt run() noexcept;

  [[nodiscard]] const FunctionCode& code() const noexcept { return code_; }
  [[nodiscard]] const RecoverySource& source() const noexcept { return source_; }
  [[nodiscard]] FlowRoom& room() noexcept { return room_; }
  [[nodiscard]] const FlowRoom& room() const noexcept { return room_; }
  [[nodiscard]] uint16_t block_at(uint64_t address) const noexcept;  // the one that has it

  // How many instructions of the function lie before the one at `address`.
  [[nodiscard]] uint16_t number_of(uint64_t address) const noexcept;

  // The values right before the instruction at `address`; false if it is never reached.
  [[nodiscard]] bool state_before(uint64_t address, FlowState& state) noexcept;

  // Executes one instruction on a state.
  void step(const Instruction& instruction, uint16_t number, FlowState& state,
            FlowEffect& effect) noexcept;

  // Marks all that was, or may have been, calculated from the same variable as `value`; of that, as
  // unlinear what is no sum or multiple of it, the value's lower `bits`; and as stale what was read
  // from memory by it without a check of it before.
  void mark_related(ValueId value, unsigned bits) noexcept;
  [[nodiscard]] bool is_stale(ValueId value) const noexcept {
    return (room_.stale[value / 64] >> (value % 64) & 1) != 0;
  }
  [[nodiscard]] bool is_related(ValueId value) const noexcept {
    return (room_.related[value / 64] >> (value % 64) & 1) != 0;
  }

  [[nodiscard]] bool is_unlinear(ValueId value) const noexcept {
    return (room_.unlinear[value / 64] >> (value % 64) & 1) != 0;
  }

  // Something was calculated from what the register has when the function begins.
  [[nodiscard]] bool uses_entry_of(Gpr reg) const noexcept;

  // Marks what was read from arrays shortly before `compare` without a check.
  void mark_suspect(uint64_t compare) noexcept;
  [[nodiscard]] bool is_suspect(ValueId value) const noexcept {
    return (room_.suspect[value / 64] >> (value % 64) & 1) != 0;
  }

  // The register that a call gives the address behind it, as 32-bit code of gcc's has it to learn
  // where it is: of "mov (%esp),%ebx; ret". kNoRegister for other calls.
  [[nodiscard]] uint8_t reads_ip(const Instruction& call) const noexcept;

  // Code that raises a compiler's trap begins there, in this function or another.
  [[nodiscard]] bool is_trap(uint64_t address) const noexcept;

 private:
  [[nodiscard]] bool adds_low_bits(const Instruction& in, const FlowEffect& effect,
                                   const FlowState& state) const noexcept;
  [[nodiscard]] uint8_t low_zeros(const Instruction& in, const Origin& origin) const noexcept;
  bool make_blocks() noexcept;
  void put_in_order() noexcept;
  void connect(FlowBlock& block, uint16_t index) noexcept;
  bool round(const FlowState& entry, bool& changed) noexcept;
  bool merge(uint16_t block, FlowState& into, const FlowState& from, bool& changed) noexcept;
  void replace(uint16_t block, FlowState& into, const FlowState& from, bool& changed) noexcept;
  ValueId phi(uint16_t block, Place place) noexcept;
  bool is_own_phi(ValueId value, uint16_t block, Place place) const noexcept;
  void add_origin(ValueId value, ValueId from) noexcept;
  void note_origins(const FlowEffect& effect, const FlowState& before) noexcept;
  // All values are kFirstDefined, next_value(kFirstDefined), ... up to value_end().
  [[nodiscard]] unsigned next_value(unsigned value) const noexcept {
    return value + 1 == room_.defined_end ? kFirstPhi : value + 1;
  }
  [[nodiscard]] unsigned value_end() const noexcept { return kFirstPhi + room_.phi_count; }
  void mark_unlinear() noexcept;
  void mark_stale(ValueId value) noexcept;
  // The part of a value that an index was made of.
  struct LowBits {
    ValueId value = kAnonymous;
    unsigned bits = 0;
  };
  // What has only bits in it that lie above one of both `parts` is none.
  void mark_descendants(uint64_t* marked, const LowBits* parts = nullptr) noexcept;
  [[nodiscard]] bool is_apart(ValueId value, const LowBits* parts) noexcept;
  void mark_suspects_of(uint16_t block, uint64_t end) noexcept;
  [[nodiscard]] bool is_guarded(ValueId loaded, ValueId by) noexcept;
  [[nodiscard]] uint16_t only_predecessor(uint16_t block) const noexcept;
  [[nodiscard]] bool ends_elsewhere(uint64_t target) const noexcept;

  const FunctionCode& code_;
  const RecoverySource& source_;
  FlowRoom& room_;
  uint8_t round_ = 0;
  unsigned guards_ = 0;  // how often is_guarded() was asked
  // Functions that were looked at for reads_ip().
  struct Called {
    uint64_t begin = 0;
    uint8_t reg = kNoRegister;
  };
  static constexpr unsigned kMaxCalled = 8;
  mutable Called called_[kMaxCalled];
  mutable unsigned called_count_ = 0;
};

}  // namespace kebound::x86
