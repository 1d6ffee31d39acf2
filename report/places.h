// SPDX-License-Identifier: Apache-2.0
//
// The places where exceptions happened: the same code is the same place in every process and at
// every load address.
#pragma once

#include <stdint.h>

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "events/record.h"
#include "report/resolver.h"

namespace kebound::report {

struct Place {
  uint64_t number = 0;  // unique per place
  Location location;
  std::string
      json;  // the renderer's own: the part of the object that is the same for every event here
};

// Finds the place of an exception; a repeated one costs one hash lookup.
class Places {
 public:
  explicit Places(Resolver& resolver) : resolver_(resolver) {}

  // `event.ip` in `modules`, which may be null. Valid until the next call. Function, file and line
  // are those of the check, module and offset those of the instruction.
  [[nodiscard]] Place& find(const events::BoundException& exception);
  // The recorded stack, innermost first, which begins at the place; empty if there is none.
  [[nodiscard]] std::vector<StackFrame> backtrace(const events::BoundException& exception);

 private:
  struct Key {
    uint64_t generation;
    uint64_t ip;
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    size_t operator()(const Key& key) const noexcept {
      return (key.generation * 0x9e3779b97f4a7c15u) ^ (key.ip * 0xff51afd7ed558ccdu >> 7);
    }
  };
  std::shared_ptr<Place> resolve(const events::BoundException& exception);

  Resolver& resolver_;
  std::unordered_map<Key, std::shared_ptr<Place>, Hash> by_address_;
  std::unordered_map<std::string, std::shared_ptr<Place>> by_name_;
  std::shared_ptr<Place> unmapped_;
  uint64_t next_number_ = 0;
};

}  // namespace kebound::report
