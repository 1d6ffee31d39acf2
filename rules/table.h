// SPDX-License-Identifier: Apache-2.0
//
// Rules for the in-process host. In a signal handler nobody can look for names, so that they are
// turned into address ranges of files before the program starts. A table is one piece of memory: a
// fixed part, and behind it counts that all processes of the run share. The same for i386 and
// x86-64.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <string_view>

#include "rules/limits.h"

namespace kebound::rules {

inline constexpr uint64_t kTableMagic = 0x31656c7552424b7fU;  // "\x7fKBRule1"
inline constexpr uint32_t kTableVersion = 1;
inline constexpr uint32_t kMaxTableModules = 4096;
inline constexpr uint32_t kMaxTableRanges = 4'000'000;
inline constexpr uint32_t kMaxTableText = 64u << 20;
inline constexpr uint32_t kTableSlots = 65'536;  // sites that are counted each for itself

struct TextRef {
  uint32_t offset = 0;
  uint32_t size = 0;
};

struct TableHeader {
  uint64_t magic = kTableMagic;
  uint32_t version = kTableVersion;
  uint32_t rule_count = 0;
  uint32_t module_count = 0;
  uint32_t range_count = 0;
  uint32_t text_size = 0;
  uint32_t slot_count = 0;  // a power of two
  uint64_t fixed_size = 0;  // of all but counts and slots; a multiple of 64
  uint64_t total_size = 0;
};
static_assert(sizeof(TableHeader) == 48);

struct TableRule {
  Limits limits;
  uint64_t offset_first = 0;
  uint64_t offset_last = UINT64_MAX;
  TextRef source;  // patterns; an empty one fits everything
  TextRef check;
  TextRef module;
  uint32_t range_begin = 0;  // of the ranges, sorted by module and address
  uint32_t range_end = 0;
  uint32_t is_resolved = 0;  // it is about the ranges only, and about modules that are known
  uint32_t line = 0;         // for people
};
static_assert(sizeof(TableRule) == 80);

// Addresses as the module's file has them.
struct TableRange {
  uint64_t begin = 0;
  uint64_t end = 0;
  uint32_t module = 0;
  uint32_t reserved = 0;
};
static_assert(sizeof(TableRange) == 24);

struct TableCounts {
  RuleCounts counts;
  Atomic<uint64_t> at_other_sites;  // that found no slot
};
static_assert(sizeof(TableCounts) == 32);

struct TableSlot {
  Atomic<uint64_t> key;  // 0: free
  Atomic<uint64_t> count;
};
static_assert(sizeof(TableSlot) == 16);

// Where a check failed, as far as a signal handler can tell.
struct TablePlace {
  std::string_view source;
  std::string_view check;
  std::string_view module;   // path, empty: no file
  uint64_t offset = 0;       // of the check
  uint64_t line_offset = 0;  // of the code whose function and line reports show
};

inline constexpr uint32_t kNoRule = UINT32_MAX;

struct TableMatch {
  uint32_t rule = kNoRule;
  // A rule before it might be about the place, but asks for names of a module that was not known.
  bool is_unresolved = false;
};

// Reads a table. Valid when zeroed: without rules.
class Table {
 public:
  // False, with nothing changed, if the bytes are no table. `fixed`: `fixed_size` bytes that nobody
  // changes; `shared`: the `total_size` bytes with the counts. Both are aligned to 64 bytes and
  // live as long as the table.
  [[nodiscard]] bool attach(const uint8_t* fixed, uint64_t fixed_size, uint8_t* shared,
                            uint64_t total_size) noexcept;

  [[nodiscard]] uint32_t size() const noexcept {
    return header_ != nullptr ? header_->rule_count : 0;
  }
  // Context of all below: anywhere, signal handlers too.
  [[nodiscard]] TableMatch find(const TablePlace& place) const noexcept;
  // `place` is looked at only where counts_sites().
  [[nodiscard]] Ruling decide(uint32_t rule, const TablePlace& place) const noexcept;
  // Whether the rule's limits are for each place by itself.
  [[nodiscard]] bool counts_sites(uint32_t rule) const noexcept {
    const Reporting reporting = rules_[rule].limits.reporting;
    return reporting == Reporting::First || reporting == Reporting::Sample;
  }
  [[nodiscard]] const TableRule& rule(uint32_t number) const noexcept { return rules_[number]; }
  [[nodiscard]] RuleCounts& counts(uint32_t rule) const noexcept { return counts_[rule].counts; }

 private:
  [[nodiscard]] std::string_view text(const TextRef& ref) const noexcept {
    return {text_ + ref.offset, ref.size};
  }
  [[nodiscard]] bool is_valid() const noexcept;
  [[nodiscard]] bool has_range(const TableRule& rule, uint32_t module,
                               uint64_t offset) const noexcept;
  [[nodiscard]] Atomic<uint64_t>& count_at(uint32_t rule, const TablePlace& place) const noexcept;

  const TableHeader* header_ = nullptr;
  const TableRule* rules_ = nullptr;
  const TableRange* ranges_ = nullptr;
  const TextRef* modules_ = nullptr;
  const char* text_ = nullptr;
  TableCounts* counts_ = nullptr;
  TableSlot* slots_ = nullptr;
};

}  // namespace kebound::rules
