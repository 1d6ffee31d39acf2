// SPDX-License-Identifier: Apache-2.0
#include "rules/table_builder.h"

#include <string.h>

#include "rules/table.h"

namespace kebound::rules {
namespace {

class Builder {
 public:
  TextRef text(std::string_view words) {
    const TextRef ref{static_cast<uint32_t>(text_.size()), static_cast<uint32_t>(words.size())};
    text_ += words;
    return ref;
  }

  void add(const Rule& rule, size_t number, const std::vector<KnownModule>& modules) {
    TableRule it;
    it.limits = rule.limits;
    it.source = text(rule.conditions.source);
    it.check = text(rule.conditions.check);
    it.module = text(rule.conditions.module);
    it.line = rule.line;
    if (rule.conditions.offset) {
      it.offset_first = rule.conditions.offset->first;
      it.offset_last = rule.conditions.offset->last;
    }
    it.is_resolved = needs_ranges(rule);
    it.range_begin = static_cast<uint32_t>(ranges_.size());
    for (size_t m = 0; m < modules.size() && it.is_resolved != 0; ++m) {
      for (const AddressRange& range : modules[m].ranges[number]) {
        ranges_.push_back({range.begin, range.end, static_cast<uint32_t>(m), 0});
      }
    }
    it.range_end = static_cast<uint32_t>(ranges_.size());
    rules_.push_back(it);
  }

  std::optional<std::vector<uint8_t>> finish(const std::vector<KnownModule>& modules) {
    std::vector<TextRef> names;
    for (const KnownModule& module : modules) names.push_back(text(module.path));
    if (text_.size() > kMaxTableText || ranges_.size() > kMaxTableRanges ||
        names.size() > kMaxTableModules) {
      return std::nullopt;
    }
    TableHeader header;
    header.rule_count = static_cast<uint32_t>(rules_.size());
    header.module_count = static_cast<uint32_t>(names.size());
    header.range_count = static_cast<uint32_t>(ranges_.size());
    header.text_size = static_cast<uint32_t>(text_.size());
    header.slot_count = kTableSlots;
    std::vector<uint8_t> bytes(sizeof header);
    append(bytes, rules_.data(), rules_.size() * sizeof(TableRule));
    append(bytes, ranges_.data(), ranges_.size() * sizeof(TableRange));
    append(bytes, names.data(), names.size() * sizeof(TextRef));
    append(bytes, text_.data(), text_.size());
    bytes.resize((bytes.size() + 63) / 64 * 64);
    header.fixed_size = bytes.size();
    bytes.resize(bytes.size() + rules_.size() * sizeof(TableCounts) +
                 kTableSlots * sizeof(TableSlot));
    header.total_size = bytes.size();
    memcpy(bytes.data(), &header, sizeof header);
    return bytes;
  }

 private:
  static void append(std::vector<uint8_t>& bytes, const void* from, size_t size) {
    const auto* begin = static_cast<const uint8_t*>(from);
    bytes.insert(bytes.end(), begin, begin + size);
  }

  std::vector<TableRule> rules_;
  std::vector<TableRange> ranges_;
  std::string text_;
};

}  // namespace

bool is_for_supervisor_only(const Rule& rule) noexcept { return !rule.conditions.caller.empty(); }

bool needs_ranges(const Rule& rule) noexcept {
  return rule.conditions.need_symbols() || !rule.conditions.build_id.empty();
}

std::optional<std::vector<uint8_t>> build_table(const std::vector<Rule>& rules,
                                                const std::vector<KnownModule>& modules) {
  Builder builder;
  for (size_t i = 0; i < rules.size(); ++i) builder.add(rules[i], i, modules);
  return builder.finish(modules);
}

}  // namespace kebound::rules
