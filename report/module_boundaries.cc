// SPDX-License-Identifier: Apache-2.0
//
// Where in a module another function or source line may begin.
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <string.h>

#include <algorithm>

#include "report/demangle.h"
#include "report/die_path.h"
#include "report/module_symbols.h"

namespace kebound::report {
namespace {

constexpr size_t kMaxBoundaries = 8'000'000;
constexpr size_t kMaxEntries = 4'000'000;  // of a unit
constexpr size_t kMaxUnits = 200'000;
constexpr size_t kMaxDepth = 128;
constexpr size_t kMaxName = 4096;

bool may_hold_functions(Dwarf_Die* die) {
  switch (dwarf_tag(die)) {
    case DW_TAG_class_type:
    case DW_TAG_structure_type:
    case DW_TAG_union_type:
      return true;
    default:
      return is_scope(die);
  }
}

// Visits every entry of a unit that may be or hold a function, until `visit` says false.
template <class Visit>
void walk(Dwarf_Die* unit, Visit&& visit) {
  DiePath path(1);
  if (dwarf_child(unit, &path[0]) != 0) return;
  for (size_t visited = 0; visited < kMaxEntries && !path.empty(); ++visited) {
    Dwarf_Die child;
    const bool may_hold = may_hold_functions(&path.back());
    if (may_hold && !visit(&path.back())) return;
    if (may_hold && path.size() < kMaxDepth && dwarf_child(&path.back(), &child) == 0) {
      path.push_back(child);
      continue;
    }
    leave_entry(path);
  }
}

class Collector {
 public:
  void add(uint64_t address) {
    if (addresses_.size() < kMaxBoundaries) addresses_.push_back(address);
  }

  void add_lines(Dwarf_Die* unit, Dwarf_Addr bias) {
    Dwarf_Lines* lines = nullptr;
    size_t count = 0;
    if (dwarf_getsrclines(unit, &lines, &count) != 0) return;
    for (size_t i = 0; i < count; ++i) {
      Dwarf_Addr address = 0;
      if (dwarf_lineaddr(dwarf_onesrcline(lines, i), &address) == 0) add(address + bias);
    }
  }

  void add_functions(Dwarf_Die* unit, Dwarf_Addr bias) {
    walk(unit, [&](Dwarf_Die* die) {
      add_ranges(die, bias);
      return true;
    });
  }

  std::vector<uint64_t> take() {
    std::sort(addresses_.begin(), addresses_.end());
    addresses_.erase(std::unique(addresses_.begin(), addresses_.end()), addresses_.end());
    return std::move(addresses_);
  }

 private:
  void add_ranges(Dwarf_Die* die, Dwarf_Addr bias) {
    const int tag = dwarf_tag(die);
    if (tag != DW_TAG_subprogram && tag != DW_TAG_inlined_subroutine) return;
    Dwarf_Addr base = 0;
    Dwarf_Addr begin = 0;
    Dwarf_Addr end = 0;
    ptrdiff_t offset = 0;
    for (size_t i = 0; i < kMaxEntries; ++i) {
      offset = dwarf_ranges(die, offset, &base, &begin, &end);
      if (offset <= 0) break;
      add(begin + bias);
      add(end + bias);
    }
  }

  std::vector<uint64_t> addresses_;
};

template <class Visit>
void for_each_unit(Dwfl_Module* module, Visit&& visit) {
  Dwarf_Die* unit = nullptr;
  for (size_t i = 0; i < kMaxUnits; ++i) {
    Dwarf_Addr bias = 0;
    unit = dwfl_module_nextcu(module, unit, &bias);
    if (unit == nullptr) return;
    visit(unit, bias);
  }
}

bool has_file(Dwarf_Die* unit, const std::function<bool(const std::string&)>& is_meant) {
  Dwarf_Files* files = nullptr;
  size_t count = 0;
  if (dwarf_getsrcfiles(unit, &files, &count) != 0) return false;
  for (size_t i = 0; i < count; ++i) {
    const char* const name = dwarf_filesrc(files, i, nullptr, nullptr);
    if (name == nullptr) continue;
    if (is_meant(absolute_name(std::string(name, strnlen(name, kMaxName)), unit))) return true;
  }
  return false;
}

// Whether the unit has a name that is looked for: of a file, or of a function at any level.
bool has_name(Dwarf_Die* unit, const ModuleSymbols::NameFilter& filter) {
  if (filter.file && has_file(unit, filter.file)) return true;
  if (!filter.function) return false;
  bool found = false;
  walk(unit, [&](Dwarf_Die* die) {
    const int tag = dwarf_tag(die);
    // An inlined one has the name of its origin, a subprogram of this unit or of a partial one.
    if (tag == DW_TAG_subprogram) found = filter.function(function_name(die));
    return !found;
  });
  return found;
}

}  // namespace

std::vector<uint64_t> ModuleSymbols::boundaries(const NameFilter& filter) {
  Collector collector;
  for (const LoadSegment& segment : file_->segments()) {
    if (!segment.executable) continue;
    collector.add(segment.address);
    collector.add(segment.address + segment.memory_size);
  }
  if (module_ == nullptr) return collector.take();
  for (const Symbol& symbol : symbols()) {
    if (!filter.all && !(filter.function && filter.function(symbol.name))) continue;
    collector.add(symbol.begin);
    collector.add(symbol.end);
  }
  // What a partial unit has is inlined into units that say so by reference only.
  bool all = filter.all;
  for_each_unit(module_, [&](Dwarf_Die* unit, Dwarf_Addr) {
    all = all || (dwarf_tag(unit) == DW_TAG_partial_unit && has_name(unit, filter));
  });
  for_each_unit(module_, [&](Dwarf_Die* unit, Dwarf_Addr bias) {
    if (!all && !has_name(unit, filter)) return;
    collector.add_lines(unit, bias);
    collector.add_functions(unit, bias);
  });
  return collector.take();
}

std::vector<ModuleSymbols::Symbol> ModuleSymbols::symbols() {
  std::vector<Symbol> result;
  const int count = module_ == nullptr ? 0 : dwfl_module_getsymtab(module_);
  for (int i = 1; i < count; ++i) {
    GElf_Sym symbol{};
    GElf_Addr address = 0;
    const char* const name =
        dwfl_module_getsym_info(module_, i, &symbol, &address, nullptr, nullptr, nullptr);
    if (name == nullptr || *name == '\0') continue;
    result.push_back({address, address + symbol.st_size,
                      demangle(std::string(name, strnlen(name, kMaxName)).c_str())});
  }
  std::stable_sort(result.begin(), result.end(),
                   [](const Symbol& a, const Symbol& b) { return a.begin < b.begin; });
  // A symbol without a size, as assembly has them, reaches to the next one.
  uint64_t next = UINT64_MAX;
  for (size_t i = result.size(); i-- > 0;) {
    if (i + 1 < result.size() && result[i + 1].begin != result[i].begin) next = result[i + 1].begin;
    result[i].end = std::max(result[i].end, next);
  }
  return result;
}

}  // namespace kebound::report
