// SPDX-License-Identifier: Apache-2.0
//
// What a run came to, place by place: the one aggregation under every format that summarizes. Off
// the hot path, and bounded: a program that invents places, stacks or reasons without end gets the
// first ones described and the rest counted.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

#include "events/record.h"
#include "report/places.h"
#include "report/resolver.h"

namespace kebound::report {

inline constexpr size_t kDispositions = 3;

// The values that were seen, both ends inclusive.
struct Span {
  int64_t low = 0;
  int64_t high = 0;
  bool known = false;  // at least one was

  void add(int64_t value) noexcept;
};

struct CountedStack {
  std::vector<StackFrame> frames;  // innermost first
  uint64_t count = 0;              // exceptions that had it
};

struct CountedText {
  std::string text;
  uint64_t count = 0;
};

// One check that failed at one place of the code.
struct Site {
  uint64_t number = 0;
  Location location;
  uint64_t count = 0;
  uint64_t by_disposition[kDispositions] = {};
  int64_t first_ns = 0;  // of the earliest and the latest exception
  int64_t last_ns = 0;
  // Of the exceptions whose index and bounds are known; `uncertain` of them are merely likely.
  Span index;
  Span lower;
  Span upper;
  uint64_t uncertain = 0;
  uint64_t unknown = 0;  // exceptions without index and bounds
  // Distinct stacks in the order of their first appearance. Exceptions without a recorded stack, or
  // with one too many, are in none of them.
  std::vector<CountedStack> stacks;
  std::vector<CountedText> details;   // what the check said of itself
  std::vector<CountedText> reasons;   // why not otherwise
  std::vector<CountedText> programs;  // whose exceptions they were
  events::BoundException first;       // the first one, without its modules and stack

  [[nodiscard]] uint64_t of(events::Disposition disposition) const noexcept {
    return by_disposition[static_cast<size_t>(disposition) % kDispositions];
  }
  [[nodiscard]] uint64_t with_stack() const noexcept;
};

// What add() found.
struct Sighting {
  const Site* site = nullptr;  // null: one place too many, only counted
  bool first_of_disposition = false;
  bool new_reason = false;
};

class Sites {
 public:
  // Beyond these, exceptions are counted in elsewhere(), stacks and texts not kept.
  static constexpr size_t kMaxSites = 50'000;
  static constexpr size_t kMaxStacks = 32;
  static constexpr size_t kMaxTexts = 16;

  explicit Sites(Resolver& resolver) : places_(resolver) {}

  // Counts the exception; with `keep_stack` its stack too, if it has one. The result is valid until
  // the next call.
  Sighting add(const events::BoundException& exception, bool keep_stack);
  [[nodiscard]] std::vector<StackFrame> backtrace(const events::BoundException& exception) {
    return places_.backtrace(exception);
  }
  // Its place, for what a renderer keeps there.
  [[nodiscard]] Place& place_of(const events::BoundException& exception) {
    return places_.find(exception);
  }

  // In the order of their first exceptions.
  [[nodiscard]] const std::deque<Site>& all() const noexcept { return sites_; }
  // Those with the most exceptions first.
  [[nodiscard]] std::vector<const Site*> by_count() const;
  [[nodiscard]] uint64_t elsewhere() const noexcept { return elsewhere_; }

 private:
  struct Key {
    uint64_t place;
    BoundSource source;
    CheckKind check;
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    size_t operator()(const Key& key) const noexcept {
      return key.place * 0x9e3779b97f4a7c15u ^ static_cast<size_t>(key.source) << 8 ^
             static_cast<size_t>(key.check);
    }
  };
  Site* find(const events::BoundException& exception, const Place& place);

  Places places_;
  std::deque<Site> sites_;
  std::unordered_map<Key, Site*, Hash> by_key_;
  uint64_t elsewhere_ = 0;
};

}  // namespace kebound::report
