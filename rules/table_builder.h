// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>

#include <optional>
#include <string>
#include <vector>

#include "rules/rule.h"

namespace kebound::rules {

// Addresses as a file has them; `end` is behind the last one.
struct AddressRange {
  uint64_t begin = 0;
  uint64_t end = 0;
  bool operator==(const AddressRange&) const = default;
};

// A file whose names have been looked up.
struct KnownModule {
  std::string path;  // as the loader calls it; of the program itself what /proc/self/exe says
  // For each rule the addresses that function, file, line and build_id allow; ascending, disjoint.
  std::vector<std::vector<AddressRange>> ranges;
};

// What a table cannot express: the in-process host cannot have such a rule.
[[nodiscard]] bool is_for_supervisor_only(const Rule& rule) noexcept;
// Rules whose conditions have to be turned into address ranges.
[[nodiscard]] bool needs_ranges(const Rule& rule) noexcept;

// The table's bytes. Nothing if there would be too many. No rule is_for_supervisor_only(). Context:
// any thread.
[[nodiscard]] std::optional<std::vector<uint8_t>> build_table(
    const std::vector<Rule>& rules, const std::vector<KnownModule>& modules);

}  // namespace kebound::rules
