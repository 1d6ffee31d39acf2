// SPDX-License-Identifier: Apache-2.0
#include "hosts/inproc_run/rules_file.h"

#include <string.h>

#include "rules/table.h"

namespace kebound::inproc_run {

RulesFile::RulesFile(const std::vector<uint8_t>& table)
    : memory_("kebound-rules", "table of rules", table.size()) {
  rules::TableHeader header;
  memcpy(&header, table.data(), sizeof header);
  counts_at_ = header.fixed_size;
  memcpy(memory_.bytes(), table.data(), table.size());
}

const rules::RuleCounts& RulesFile::counts(size_t rule) const noexcept {
  return reinterpret_cast<const rules::TableCounts*>(memory_.bytes() + counts_at_)[rule].counts;
}

}  // namespace kebound::inproc_run
