// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <string>
#include <vector>

#include "rules/limits.h"

namespace kebound::inproc_run {

// A table of rules (rules/table.h) as memory without a name, for the processes of a run; they count
// in it. As the event ring, it is for those who may look into this process' /proc entry, and its
// size is sealed.
class RulesFile {
 public:
  // `table`: what build_table() made. Throws std::system_error if there is no memory for it.
  explicit RulesFile(const std::vector<uint8_t>& table);
  RulesFile(const RulesFile&) = delete;
  RulesFile& operator=(const RulesFile&) = delete;
  ~RulesFile();

  // What KEBOUND_RULES says: valid for every descendant, as long as this process lives.
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  // What the processes have counted, or written there.
  [[nodiscard]] const rules::RuleCounts& counts(size_t rule) const noexcept;

 private:
  size_t size_;
  uint64_t counts_at_;
  int fd_ = -1;
  uint8_t* memory_ = nullptr;
  std::string path_;
};

}  // namespace kebound::inproc_run
