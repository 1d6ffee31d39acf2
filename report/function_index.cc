// SPDX-License-Identifier: Apache-2.0
#include "report/function_index.h"

#include <dwarf.h>
#include <elfutils/libdw.h>

#include <algorithm>
#include <iterator>

#include "report/die_path.h"

namespace kebound::report {
namespace {

// A real unit of a large C++ program has some 100,000 entries, nested some 20 deep.
constexpr size_t kMaxEntries = 4'000'000;
constexpr size_t kMaxDepth = 128;
constexpr size_t kMaxUnits = 200'000;
constexpr size_t kMaxInlined = 32;
constexpr size_t kMaxRanges = 1'000'000;  // that are remembered, of units and of functions each

// Has functions in it, but no code of its own.
bool holds_functions(int tag) {
  return tag == DW_TAG_namespace || tag == DW_TAG_module || tag == DW_TAG_class_type ||
         tag == DW_TAG_structure_type || tag == DW_TAG_union_type;
}

// What a walk within a function does with an entry.
enum class Visit { Skip, Descend, Enter };

Visit classify(Dwarf_Die* die, Dwarf_Addr pc) {
  const int tag = dwarf_tag(die);
  switch (tag) {
    case DW_TAG_subprogram:
    case DW_TAG_inlined_subroutine:
      return dwarf_haspc(die, pc) > 0 ? Visit::Enter : Visit::Skip;
    case DW_TAG_lexical_block:
    case DW_TAG_try_block:
    case DW_TAG_catch_block:
      return dwarf_haspc(die, pc) > 0 ? Visit::Descend : Visit::Skip;
    default:
      return holds_functions(tag) ? Visit::Descend : Visit::Skip;
  }
}

// To the first child, else on. False at the end of the walk.
void descend_or_leave(DiePath& path) {
  Dwarf_Die child;
  if (path.size() < kMaxDepth && dwarf_child(&path.back(), &child) == 0) {
    path.push_back(child);
  } else {
    leave_entry(path);
  }
}

}  // namespace

bool DieRanges::add(Dwarf_Die* die) {
  Dwarf_Addr base = 0;
  Dwarf_Addr begin = 0;
  Dwarf_Addr end = 0;
  ptrdiff_t offset = 0;
  while ((offset = dwarf_ranges(die, offset, &base, &begin, &end)) > 0) {
    if (ranges_.size() == kMaxRanges) return false;
    if (begin >= end) continue;
    const auto after = ranges_.lower_bound(begin);
    const bool taken = (after != ranges_.end() && after->first < end) ||
                       (after != ranges_.begin() && std::prev(after)->second.end > begin);
    if (!taken) ranges_.emplace_hint(after, begin, Range{end, *die});
  }
  return true;
}

Dwarf_Die* DieRanges::find(Dwarf_Addr pc) {
  const auto after = ranges_.upper_bound(pc);
  if (after == ranges_.begin()) return nullptr;
  Range& range = std::prev(after)->second;
  return pc < range.end ? &range.die : nullptr;
}

Dwarf_Die* FunctionIndex::unit_at(Dwarf_Addr address, Dwarf_Addr* bias) {
  if (Dwarf_Die* unit = dwfl_module_addrdie(module_, address, bias)) return unit;
  // clang writes no .debug_aranges.
  if (!has_units_) {
    has_units_ = true;
    Dwarf_Die* unit = nullptr;
    for (size_t i = 0; i < kMaxUnits; ++i) {
      unit = dwfl_module_nextcu(module_, unit, &bias_);
      if (unit == nullptr || !units_.add(unit)) break;
    }
  }
  *bias = bias_;
  return units_.find(address - bias_);
}

DieRanges& FunctionIndex::functions_of(Dwarf_Die* unit) {
  if (const auto known = functions_.find(unit->cu); known != functions_.end()) return known->second;
  if (remembered_ >= kMaxRanges) {
    functions_.clear();
    remembered_ = 0;
  }
  DieRanges& functions = functions_[unit->cu];
  DiePath path(1);
  if (dwarf_child(unit, &path[0]) != 0) return functions;
  for (size_t visited = 0; visited < kMaxEntries && !path.empty(); ++visited) {
    const int tag = dwarf_tag(&path.back());
    if (tag == DW_TAG_subprogram && !functions.add(&path.back())) break;
    if (holds_functions(tag)) {
      descend_or_leave(path);
    } else {
      leave_entry(path);
    }
  }
  remembered_ += functions.size();
  return functions;
}

std::vector<Dwarf_Die> FunctionIndex::functions_around(Dwarf_Die* unit, Dwarf_Addr pc) {
  std::vector<Dwarf_Die> functions;
  Dwarf_Die* const subprogram = functions_of(unit).find(pc);
  if (subprogram == nullptr) return functions;
  functions.push_back(*subprogram);
  DiePath path(1);
  if (dwarf_child(subprogram, &path[0]) != 0) return functions;
  for (size_t visited = 0; visited < kMaxEntries && !path.empty(); ++visited) {
    Dwarf_Die child;
    switch (classify(&path.back(), pc)) {
      case Visit::Skip:
        leave_entry(path);
        break;
      case Visit::Descend:
        descend_or_leave(path);
        break;
      case Visit::Enter:
        // A nested subprogram is a function of its own (a lambda, a local class's member), not
        // inlined.
        if (dwarf_tag(&path.back()) == DW_TAG_subprogram) functions.clear();
        functions.push_back(path.back());
        if (functions.size() > kMaxInlined || dwarf_child(&path.back(), &child) != 0) {
          return functions;
        }
        path.assign(1, child);  // code is in one place only: nothing beside the path matters
        break;
    }
  }
  return functions;
}

}  // namespace kebound::report
