// SPDX-License-Identifier: Apache-2.0
#include "rules/table.h"

#include "rules/glob.h"

namespace kebound::rules {
namespace {

constexpr uint32_t kMaxTableRules = 10'000;
constexpr uint32_t kMaxProbes = 64;

uint64_t fixed_size_of(const TableHeader& header) noexcept {
  const uint64_t size = sizeof header + uint64_t{header.rule_count} * sizeof(TableRule) +
                        uint64_t{header.range_count} * sizeof(TableRange) +
                        uint64_t{header.module_count} * sizeof(TextRef) + header.text_size;
  return (size + 63) / 64 * 64;
}

uint64_t total_size_of(const TableHeader& header) noexcept {
  return header.fixed_size + uint64_t{header.rule_count} * sizeof(TableCounts) +
         uint64_t{header.slot_count} * sizeof(TableSlot);
}

bool has_sane_counts(const TableHeader& header) noexcept {
  const uint32_t slots = header.slot_count;
  return header.magic == kTableMagic && header.version == kTableVersion &&
         header.rule_count <= kMaxTableRules && header.module_count <= kMaxTableModules &&
         header.range_count <= kMaxTableRanges && header.text_size <= kMaxTableText && slots != 0 &&
         slots <= 1u << 20 && (slots & (slots - 1)) == 0;
}

// FNV-1a.
uint64_t hash(uint64_t state, const void* bytes, size_t size) noexcept {
  const auto* at = static_cast<const uint8_t*>(bytes);
  for (size_t i = 0; i < size; ++i) state = (state ^ at[i]) * 0x100000001b3U;
  return state;
}

bool fits(std::string_view pattern, std::string_view name) noexcept {
  return pattern.empty() || glob_match(pattern, name);
}

}  // namespace

bool Table::attach(const uint8_t* fixed, uint64_t fixed_size, uint8_t* shared,
                   uint64_t total_size) noexcept {
  if (fixed_size < sizeof(TableHeader)) return false;
  Table table;
  table.header_ = reinterpret_cast<const TableHeader*>(fixed);
  const TableHeader& header = *table.header_;
  if (!has_sane_counts(header) || header.fixed_size != fixed_size_of(header) ||
      header.fixed_size != fixed_size || header.total_size != total_size_of(header) ||
      header.total_size != total_size) {
    return false;
  }
  table.rules_ = reinterpret_cast<const TableRule*>(fixed + sizeof header);
  table.ranges_ = reinterpret_cast<const TableRange*>(table.rules_ + header.rule_count);
  table.modules_ = reinterpret_cast<const TextRef*>(table.ranges_ + header.range_count);
  table.text_ = reinterpret_cast<const char*>(table.modules_ + header.module_count);
  table.counts_ = reinterpret_cast<TableCounts*>(shared + fixed_size);
  table.slots_ = reinterpret_cast<TableSlot*>(table.counts_ + header.rule_count);
  if (!table.is_valid()) return false;
  *this = table;
  return true;
}

bool Table::is_valid() const noexcept {
  const auto in_text = [&](const TextRef& ref) {
    return ref.offset <= header_->text_size && ref.size <= header_->text_size - ref.offset;
  };
  for (uint32_t i = 0; i < header_->rule_count; ++i) {
    const TableRule& it = rules_[i];
    const Limits& limits = it.limits;
    if (!in_text(it.source) || !in_text(it.check) || !in_text(it.module)) return false;
    if (it.range_begin > it.range_end || it.range_end > header_->range_count) return false;
    if (limits.action > Action::Terminate || limits.reporting > Reporting::Nothing) return false;
    const bool counts =
        limits.reporting == Reporting::First || limits.reporting == Reporting::Sample;
    if (counts && limits.report_count == 0) return false;
  }
  for (uint32_t i = 0; i < header_->range_count; ++i) {
    if (ranges_[i].module >= header_->module_count) return false;
  }
  for (uint32_t i = 0; i < header_->module_count; ++i) {
    if (!in_text(modules_[i])) return false;
  }
  return true;
}

bool Table::has_range(const TableRule& rule, uint32_t module, uint64_t offset) const noexcept {
  // The last range that begins at or before the offset.
  uint32_t low = rule.range_begin;
  uint32_t high = rule.range_end;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    const TableRange& it = ranges_[middle];
    if (it.module < module || (it.module == module && it.begin <= offset)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == rule.range_begin) return false;
  const TableRange& it = ranges_[low - 1];
  return it.module == module && it.begin <= offset && offset < it.end;
}

TableMatch Table::find(const TablePlace& place) const noexcept {
  TableMatch match;
  uint32_t module = kNoRule;
  const uint32_t modules = size() != 0 ? header_->module_count : 0;
  for (uint32_t i = 0; i < modules && module == kNoRule; ++i) {
    if (text(modules_[i]) == place.module) module = i;
  }
  for (uint32_t i = 0; i < size(); ++i) {
    const TableRule& it = rules_[i];
    if (!fits(text(it.source), place.source) || !fits(text(it.check), place.check)) continue;
    if (it.module.size != 0 &&
        (place.module.empty() || !glob_match_path(text(it.module), place.module))) {
      continue;
    }
    const bool has_offset = it.offset_first != 0 || it.offset_last != UINT64_MAX;
    if (has_offset &&
        (place.module.empty() || place.offset < it.offset_first || place.offset > it.offset_last)) {
      continue;
    }
    if (it.is_resolved != 0) {
      if (place.module.empty()) continue;
      if (module == kNoRule) {
        match.is_unresolved = true;
        continue;
      }
      if (!has_range(it, module, place.line_offset)) continue;
    }
    match.rule = i;
    break;
  }
  return match;
}

Atomic<uint64_t>& Table::count_at(uint32_t rule, const TablePlace& place) const noexcept {
  uint64_t key = hash(0xcbf29ce484222325U, place.module.data(), place.module.size());
  key = hash(key, &place.offset, sizeof place.offset);
  key = hash(key, place.source.data(), place.source.size());
  key = hash(key, place.check.data(), place.check.size());
  key = hash(key, &rule, sizeof rule);
  if (key == 0) key = 1;
  for (uint32_t probe = 0; probe < kMaxProbes; ++probe) {
    TableSlot& slot = slots_[(key + probe) & (header_->slot_count - 1)];
    uint64_t found = slot.key.load(MemoryOrder::Relaxed);
    if (found == 0 && slot.key.compare_exchange(found, key, MemoryOrder::Acquire)) found = key;
    if (found == key) return slot.count;
  }
  return counts_[rule].at_other_sites;
}

Ruling Table::decide(uint32_t rule, const TablePlace& place) const noexcept {
  const Limits& limits = rules_[rule].limits;
  // Without such a limit the site's count is not looked at.
  Atomic<uint64_t>& at_site =
      counts_sites(rule) ? count_at(rule, place) : counts_[rule].at_other_sites;
  return rules::decide(limits, counts_[rule].counts, at_site);
}

}  // namespace kebound::rules
