// SPDX-License-Identifier: Apache-2.0
#include "scan/recovered.h"

#include <algorithm>
#include <map>

#include "scan/operand_text.h"
#include "trap/x86/check_site.h"
#include "trap/x86/compare.h"
#include "trap/x86/index_use.h"
#include "trap/x86/trap_site.h"

namespace kebound::scan {

using x86::BoundShape;
using x86::CodePlace;
using x86::Instruction;

namespace {

// Longer reads are of whole functions, or of the text that is searched for jumps.
constexpr size_t kShortRead = 64;

}  // namespace

// gcc moves the unlikely part of a function, and with it the traps, to a function of its own, and
// the recovery then searches the whole text for jumps there. Here all jumps between functions are
// known: the search is shown nothing but the functions that jump to the one with the trap.
struct Recoverer::Room {
  Room(const Image& scanned, const std::vector<OutwardJump>& jumps);

  [[nodiscard]] x86::RecoverySource source(uint64_t trap);
  [[nodiscard]] bool shows(CodeRange read) const;
  static bool find_place(void* self, uint64_t address, CodePlace& out) noexcept;
  static size_t read_some(void* self, uint64_t address, void* buffer, size_t size) noexcept;

  const Image& image;
  // By the beginning of a function, the functions that jump into it.
  std::map<uint64_t, std::vector<CodeRange>> jumped_from;
  std::vector<CodeRange> shown;
  CodeRange text;  // around all of `shown`
  x86::FunctionCode code;
  x86::CheckRoom check;
  x86::TrapSite trap;
  x86::CheckSite site;
};

Recoverer::Room::Room(const Image& scanned, const std::vector<OutwardJump>& jumps)
    : image(scanned) {
  for (const OutwardJump& jump : jumps) {
    const Function* other = image.function_at(jump.target);
    if (other == nullptr) continue;
    std::vector<CodeRange>& from = jumped_from[other->range.begin];
    if (from.empty() || from.back() != jump.from) from.push_back(jump.from);
  }
}

x86::RecoverySource Recoverer::Room::source(uint64_t trap_address) {
  shown.clear();
  if (const Function* function = image.function_at(trap_address)) {
    const auto callers = jumped_from.find(function->range.begin);
    if (callers != jumped_from.end()) shown = callers->second;
    shown.push_back(function->range);
    text = function->range;
  }
  for (const CodeRange& range : shown) {
    text.begin = std::min(text.begin, range.begin);
    text.end = std::max(text.end, range.end);
  }
  x86::RecoverySource out;
  out.mode = image.mode();
  out.memory = {this, read_some};
  out.functions = {this, find_place};
  return out;
}

bool Recoverer::Room::shows(CodeRange read) const {
  return std::any_of(shown.begin(), shown.end(), [&](const CodeRange& range) {
    return read.begin < range.end && range.begin < read.end;
  });
}

bool Recoverer::Room::find_place(void* self, uint64_t address, CodePlace& out) noexcept {
  const Room& room = *static_cast<const Room*>(self);
  const Function* function = room.image.function_at(address);
  if (function == nullptr) return false;
  out.function = function->range;
  out.text = room.text;
  return true;
}

size_t Recoverer::Room::read_some(void* self, uint64_t address, void* buffer,
                                  size_t size) noexcept {
  const Room& room = *static_cast<const Room*>(self);
  if (size > kShortRead && !room.shows({address, address + size})) return 0;
  const MemoryReader memory = room.image.reader();
  return memory.read_some(memory.self, address, buffer, size);
}

Recoverer::Recoverer(const Image& image, const std::vector<OutwardJump>& jumps)
    : image_(image), jumps_(jumps) {}
Recoverer::~Recoverer() = default;

namespace {

Known known_of(Confidence confidence) {
  switch (confidence) {
    case Confidence::Certain:
      return Known::Certain;
    case Confidence::Likely:
      return Known::Likely;
    case Confidence::Unknown:
      break;
  }
  return Known::No;
}

void describe_limit(const Instruction& compare, const BoundShape& shape, Recovered& out) {
  out.limit_passes = true;
  if (shape.limit == BoundShape::Limit::Constant) {
    out.limit = std::to_string(shape.greatest);
    return;
  }
  const x86::Operand& limit = compare.operands[shape.limit_operand];
  if (limit.kind != x86::OperandKind::Immediate) {
    out.limit = operand_text(limit);
    out.limit_passes = shape.limit_allowed;
    return;
  }
  const uint64_t value = static_cast<uint64_t>(limit.immediate) & x86::width_mask(out.width);
  if (value == 0 && !shape.limit_allowed) return;  // nothing passes
  out.limit = std::to_string(shape.limit_allowed ? value : value - 1);
}

}  // namespace

std::vector<Recovered> Recoverer::checks_of(uint64_t address, Doubt& doubt) {
  if (!room_) room_ = std::make_unique<Room>(image_, jumps_);
  Room& room = *room_;
  const x86::RecoverySource source = room.source(address);
  x86::TrapEntries entries;
  x86::find_trap_edges(address, source, room.code, entries, room.trap);
  doubt = room.trap.doubt;
  std::vector<Recovered> found;
  for (unsigned i = 0; i < room.trap.edge_count; ++i) {
    const x86::TrapEdge& edge = room.trap.edges[i];
    Recovered& out = found.emplace_back();
    out.branch = edge.branch;
    out.compare = edge.compare;
    Instruction compare;
    BoundShape shape;
    if (edge.compare == 0 || !x86::decode_instruction(edge.bytes, sizeof edge.bytes, edge.compare,
                                                      source.mode, compare)) {
      out.doubt = Doubt::NoCompare;
      continue;
    }
    if (!x86::bound_shape(compare, edge.condition, shape)) {
      out.doubt = Doubt::NotABoundsCheck;
      continue;
    }
    if (!room.code.contains(edge.branch) && !x86::load_function(edge.branch, source, room.code)) {
      out.doubt = Doubt::CodeUnreadable;
      continue;
    }
    x86::analyze_check(edge, shape, room.code, source, room.check, room.site);
    const bool clang = room.trap.trap.kind == x86::CompilerTrapKind::UbsanUd1;
    out.known = known_of(x86::static_confidence(room.site, clang));
    if (out.known == Known::No) {
      out.doubt = x86::static_doubt(room.site);
      continue;
    }
    out.width = compare.operands[0].bits;
    out.index = operand_text(compare.operands[shape.index_operand]);
    describe_limit(compare, shape, out);
    out.doubt = room.site.resume_doubt;
    out.resumable = out.doubt == Doubt::None;
  }
  return found;
}

}  // namespace kebound::scan
