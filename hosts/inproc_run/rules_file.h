// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <string>
#include <vector>

#include "hosts/inproc_run/shared_memory.h"
#include "rules/limits.h"

namespace kebound::inproc_run {

// A table of rules (rules/table.h) for the processes of a run; they count in it.
class RulesFile {
 public:
  // `table`: what build_table() made. Throws std::system_error if there is no memory for it.
  explicit RulesFile(const std::vector<uint8_t>& table);

  // What KEBOUND_RULES says.
  [[nodiscard]] const std::string& path() const noexcept { return memory_.path(); }
  // What the processes have counted, or written there.
  [[nodiscard]] const rules::RuleCounts& counts(size_t rule) const noexcept;

 private:
  SharedMemory memory_;
  uint64_t counts_at_;
};

}  // namespace kebound::inproc_run
