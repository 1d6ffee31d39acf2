// SPDX-License-Identifier: Apache-2.0
#include "report/rule_ranges.h"

#include <algorithm>
#include <utility>

#include "report/module_symbols.h"
#include "report/symbolizer.h"
#include "report/wire.h"
#include "rules/glob.h"

namespace kebound::report {
namespace {

using rules::AddressRange;
using rules::Conditions;

// What ranges stand for: source, check and offset are looked at when an exception happens.
Conditions only_names(Conditions conditions) {
  conditions.source.clear();
  conditions.check.clear();
  conditions.offset.reset();
  return conditions;
}

void append(std::vector<AddressRange>& ranges, uint64_t begin, uint64_t end) {
  if (!ranges.empty() && ranges.back().end == begin) {
    ranges.back().end = end;
  } else {
    ranges.push_back({begin, end});
  }
}

bool is_code(const ElfFile& file, uint64_t address) {
  for (const LoadSegment& segment : file.segments()) {
    if (segment.executable && address >= segment.address &&
        address - segment.address < segment.memory_size) {
      return true;
    }
  }
  return false;
}

using Wanted = std::vector<std::pair<size_t, Conditions>>;

bool is_wanted(const Wanted& wanted, const rules::Site& site) {
  return std::any_of(wanted.begin(), wanted.end(),
                     [&](const auto& it) { return matches_site(it.second, site); });
}

ModuleSymbols::NameFilter filter_of(const Wanted& wanted) {
  ModuleSymbols::NameFilter filter;
  for (const auto& [number, it] : wanted) filter.all |= it.function.empty() && it.file.empty();
  filter.function = [&wanted](const std::string& name) {
    return std::any_of(wanted.begin(), wanted.end(), [&](const auto& it) {
      const std::string& pattern = it.second.function;
      return !pattern.empty() && rules::matches_function(pattern, name);
    });
  };
  // A rule that names a function too is found by that.
  const bool has_files = std::any_of(wanted.begin(), wanted.end(), [](const auto& it) {
    return it.second.function.empty() && !it.second.file.empty();
  });
  if (!has_files) return filter;
  filter.file = [&wanted](const std::string& name) {
    return std::any_of(wanted.begin(), wanted.end(), [&](const auto& it) {
      const Conditions& conditions = it.second;
      return conditions.function.empty() && !conditions.file.empty() &&
             rules::glob_match_path(conditions.file, name);
    });
  };
  return filter;
}

// Where a symbol's name is one that a rule asks for; ascending, disjoint.
std::vector<AddressRange> places_of_names(ModuleSymbols& symbols, const Wanted& wanted) {
  std::vector<AddressRange> places;
  for (const auto& symbol : symbols.symbols()) {
    const bool is_meant = std::any_of(wanted.begin(), wanted.end(), [&](const auto& it) {
      const std::string& pattern = it.second.function;
      return !pattern.empty() && rules::matches_function(pattern, symbol.name);
    });
    if (!is_meant) continue;
    if (!places.empty() && symbol.begin <= places.back().end) {
      places.back().end = std::max(places.back().end, symbol.end);
    } else {
      places.push_back({symbol.begin, symbol.end});
    }
  }
  return places;
}

}  // namespace

std::optional<rules::KnownModule> ranges_of(const std::vector<rules::Rule>& rules,
                                            const std::string& path,
                                            const std::string& debug_path) {
  const auto file = ElfFile::open(path);
  if (!file) return std::nullopt;
  rules::KnownModule module;
  module.path = path;
  module.ranges.resize(rules.size());
  rules::Site site;
  site.module = path;
  site.build_id = hexadecimal(file->build_id());
  // Only rules that may be about this file, and its names only if one asks for them.
  Wanted wanted;
  bool need_symbols = false;
  for (size_t i = 0; i < rules.size(); ++i) {
    if (!needs_ranges(rules[i])) continue;
    Conditions conditions = only_names(rules[i].conditions);
    Conditions of_module;
    of_module.module = conditions.module;
    of_module.build_id = conditions.build_id;
    if (!matches_site(of_module, site)) continue;
    need_symbols |= conditions.need_symbols();
    wanted.emplace_back(i, std::move(conditions));
  }
  if (wanted.empty()) return module;
  if (!need_symbols) {
    for (const auto& [number, conditions] : wanted) module.ranges[number] = {{0, UINT64_MAX}};
    return module;
  }
  ModuleSymbols symbols(file, path, path, debug_path);
  const std::vector<AddressRange> named = places_of_names(symbols, wanted);
  const std::vector<uint64_t> boundaries = symbols.boundaries(filter_of(wanted));
  const auto frames_at = [&](uint64_t address, bool use_symbols) {
    site.here.clear();
    for (auto& frame : symbols.frames_at(address, use_symbols)) {
      site.here.push_back({std::move(frame.function), std::move(frame.file), frame.line});
    }
  };
  size_t next_name = 0;
  for (size_t i = 0; i + 1 < boundaries.size(); ++i) {
    const uint64_t begin = boundaries[i];
    if (!is_code(*file, begin)) continue;
    while (next_name < named.size() && named[next_name].end <= begin) ++next_name;
    const bool is_named = next_name < named.size() && named[next_name].begin <= begin;
    // The symbol table is asked only where its answer can matter: it takes its time.
    frames_at(begin, is_named);
    if (!is_named && is_wanted(wanted, site)) frames_at(begin, true);
    for (const auto& [number, conditions] : wanted) {
      if (matches_site(conditions, site)) append(module.ranges[number], begin, boundaries[i + 1]);
    }
  }
  return module;
}

std::unique_ptr<RuleRanges> RuleRanges::start(std::vector<rules::Rule> rules,
                                              std::string debug_path, unsigned seconds) {
  const size_t count = rules.size();
  auto process = SymbolProcess::start(
      [rules = std::move(rules), debug_path = std::move(debug_path)](std::string_view request) {
        wire::Writer out;
        const auto module = ranges_of(rules, std::string(request), debug_path);
        if (!module) return out.bytes();
        for (const auto& ranges : module->ranges) {
          out.value(static_cast<uint32_t>(ranges.size()));
          for (const AddressRange& range : ranges) out.value(range);
        }
        return out.bytes();
      },
      seconds);
  if (!process) return nullptr;
  return std::unique_ptr<RuleRanges>(new RuleRanges(std::move(process), count));
}

std::optional<rules::KnownModule> RuleRanges::find(const std::string& path) {
  const auto answer = process_->ask(path);
  if (!answer || answer->empty()) return std::nullopt;
  wire::Reader in(*answer);
  rules::KnownModule module;
  module.path = path;
  for (size_t i = 0; i < rule_count_; ++i) {
    const auto count = in.value<uint32_t>();
    if (!in.can_hold(count, sizeof(AddressRange))) return std::nullopt;
    auto& ranges = module.ranges.emplace_back(count);
    for (AddressRange& range : ranges) range = in.value<AddressRange>();
  }
  if (!in.ok()) return std::nullopt;
  return module;
}

}  // namespace kebound::report
