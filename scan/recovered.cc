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

struct Recoverer::Room {
  Room(const Image& scanned, const std::vector<OutwardJump>& jumps);

  [[nodiscard]] static bool find_place(void* self, uint64_t address, CodePlace& out) noexcept;

  [[nodiscard]] x86::RecoverySource source() {
    x86::RecoverySource out;
    out.mode = image.mode();
    out.memory = image.reader();
    out.functions = {this, find_place};
    return out;
  }

  const Image& image;
  // gcc moves the unlikely part of a function, and with it the traps, to a function of its own. The
  // recovery searches the text for the jumps there; here they are known: by the beginning of such
  // a function, the code that jumps into it.
  std::map<uint64_t, CodeRange> jumped_from;
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
    const auto [known, is_new] = jumped_from.try_emplace(other->range.begin, jump.from);
    if (is_new) continue;
    known->second.begin = std::min(known->second.begin, jump.from.begin);
    known->second.end = std::max(known->second.end, jump.from.end);
  }
}

bool Recoverer::Room::find_place(void* self, uint64_t address, CodePlace& out) noexcept {
  const Room& room = *static_cast<const Room*>(self);
  const Function* function = room.image.function_at(address);
  if (function == nullptr) return false;
  out.function = function->range;
  const auto callers = room.jumped_from.find(function->range.begin);
  out.text = callers != room.jumped_from.end() ? callers->second : CodeRange{};
  return true;
}

Recoverer::Recoverer(const Image& image, const std::vector<OutwardJump>& jumps)
    : room_(std::make_unique<Room>(image, jumps)) {}
Recoverer::~Recoverer() = default;

namespace {

Known known_of(x86::IndexProof proof) {
  switch (proof) {
    case x86::IndexProof::Element:
    case x86::IndexProof::Structure:
      return Known::Certain;
    case x86::IndexProof::Address:
      return Known::Likely;
    case x86::IndexProof::None:
    case x86::IndexProof::Pointer:
    case x86::IndexProof::Bytes:
      break;
  }
  return Known::No;
}

Doubt doubt_of(const x86::CheckSite& site) {
  if (site.proof == x86::IndexProof::Bytes) return Doubt::Scaled;
  if (site.proof == x86::IndexProof::None && site.resume_doubt != Doubt::None) {
    return site.resume_doubt;
  }
  return Doubt::NotABoundsCheck;
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
  Room& room = *room_;
  const x86::RecoverySource source = room.source();
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
    out.known = known_of(room.site.proof);
    if (out.known == Known::No) {
      out.doubt = doubt_of(room.site);
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
