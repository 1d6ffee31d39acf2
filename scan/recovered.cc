// SPDX-License-Identifier: Apache-2.0
#include "scan/recovered.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <thread>

#include "scan/names.h"
#include "scan/operand_text.h"
#include "trap/x86/check_site.h"
#include "trap/x86/compare.h"
#include "trap/x86/index_use.h"
#include "trap/x86/trap_site.h"

namespace kebound::scan {
namespace {

using x86::BoundShape;
using x86::CodePlace;
using x86::Instruction;

// Longer reads are of whole functions, or of the text that is searched for jumps.
constexpr size_t kShortRead = 64;

// A thread is worth its room for so many traps.
constexpr size_t kTrapsPerThread = 16;
constexpr size_t kMaxThreads = 16;

using Callers = std::map<uint64_t, std::vector<CodeRange>>;

// By the beginning of a function, the functions that jump into it.
Callers find_callers(const Image& image, const std::vector<OutwardJump>& jumps) {
  Callers callers;
  for (const OutwardJump& jump : jumps) {
    const Function* other = image.function_at(jump.target);
    if (other == nullptr) continue;
    std::vector<CodeRange>& from = callers[other->range.begin];
    if (from.empty() || from.back() != jump.from) from.push_back(jump.from);
  }
  return callers;
}

// gcc moves the unlikely part of a function, and with it the traps, to a function of its own, and
// the recovery then searches the whole text for jumps there. Here all jumps between functions are
// known: the search is shown nothing but the functions that jump to the one with the trap.
class Recoverer {
 public:
  Recoverer(const Image& image, const Callers& callers, Names* names)
      : image_(image), callers_(callers), names_(names) {}

  RecoveredTrap recover(const Trap& trap);

 private:
  [[nodiscard]] x86::RecoverySource source(uint64_t trap);
  [[nodiscard]] bool shows(CodeRange read) const;
  static bool find_place(void* self, uint64_t address, CodePlace& out) noexcept;
  static size_t read_some(void* self, uint64_t address, void* buffer, size_t size) noexcept;
  static bool find_arrays(void* self, uint64_t address, x86::ArrayNest& out) noexcept;
  static bool find_facts(void* self, uint64_t address, x86::FunctionFacts& out) noexcept;
  // `folds`: the check was optimized like code, as clang's own are and its library's.
  void recover_edge(const x86::TrapEdge& edge, const x86::RecoverySource& source, bool folds,
                    Recovered& out);

  const Image& image_;
  const Callers& callers_;
  Names* const names_;
  std::vector<CodeRange> shown_;
  CodeRange text_;  // around all of `shown_`
  x86::FunctionCode code_;
  x86::CheckRoom check_;
  x86::TrapSite trap_;
  x86::CheckSite site_;
};

x86::RecoverySource Recoverer::source(uint64_t trap_address) {
  shown_.clear();
  if (const Function* function = image_.function_at(trap_address)) {
    const auto callers = callers_.find(function->range.begin);
    if (callers != callers_.end()) shown_ = callers->second;
    shown_.push_back(function->range);
    text_ = function->range;
  }
  for (const CodeRange& range : shown_) {
    text_.begin = std::min(text_.begin, range.begin);
    text_.end = std::max(text_.end, range.end);
  }
  x86::RecoverySource out;
  out.mode = image_.mode();
  out.memory = {this, read_some};
  out.functions = {this, find_place};
  if (names_ != nullptr) {
    out.arrays = {this, find_arrays};
    out.facts = {this, find_facts};
  }
  return out;
}

bool Recoverer::shows(CodeRange read) const {
  return std::any_of(shown_.begin(), shown_.end(), [&](const CodeRange& range) {
    return read.begin < range.end && range.begin < read.end;
  });
}

bool Recoverer::find_place(void* self, uint64_t address, CodePlace& out) noexcept {
  const Recoverer& recoverer = *static_cast<const Recoverer*>(self);
  const Function* function = recoverer.image_.function_at(address);
  if (function == nullptr) return false;
  out.function = function->range;
  out.text = recoverer.text_;
  return true;
}

size_t Recoverer::read_some(void* self, uint64_t address, void* buffer, size_t size) noexcept {
  const Recoverer& recoverer = *static_cast<const Recoverer*>(self);
  if (size > kShortRead && !recoverer.shows({address, address + size})) return 0;
  const MemoryReader memory = recoverer.image_.reader();
  return memory.read_some(memory.self, address, buffer, size);
}

template <class Answer>
bool take(const std::optional<Answer>& answer, Answer& out) {
  if (answer) out = *answer;
  return answer.has_value();
}

bool Recoverer::find_arrays(void* self, uint64_t address, x86::ArrayNest& out) noexcept {
  return take(static_cast<Recoverer*>(self)->names_->arrays_at(address), out);
}

bool Recoverer::find_facts(void* self, uint64_t address, x86::FunctionFacts& out) noexcept {
  return take(static_cast<Recoverer*>(self)->names_->function_at(address), out);
}

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

void Recoverer::recover_edge(const x86::TrapEdge& edge, const x86::RecoverySource& source,
                             bool folds, Recovered& out) {
  out.branch = edge.branch;
  out.compare = edge.compare;
  Instruction compare;
  BoundShape shape;
  if (edge.compare == 0 ||
      !x86::decode_instruction(edge.bytes, sizeof edge.bytes, edge.compare, source.mode, compare)) {
    out.doubt = Doubt::NoCompare;
    return;
  }
  if (!x86::bound_shape(compare, edge.condition, shape) &&
      !(folds && x86::equal_shape(compare, edge.condition, shape))) {
    out.doubt = Doubt::NotABoundsCheck;
    return;
  }
  if (!code_.contains(edge.branch) && !x86::load_function(edge.branch, source, code_)) {
    out.doubt = Doubt::CodeUnreadable;
    return;
  }
  x86::analyze_check(edge, shape, code_, source, check_, site_);
  out.known = known_of(x86::static_confidence(site_, folds));
  out.is_check = out.known != Known::No || x86::is_bounds_check(site_, folds);
  if (out.known == Known::No) {
    out.doubt = x86::static_doubt(site_);
    return;
  }
  out.width = compare.operands[0].bits;
  out.index = operand_text(compare.operands[shape.index_operand]);
  describe_limit(compare, shape, out);
  out.doubt = site_.resume_doubt;
  out.resumable = out.doubt == Doubt::None;
}

RecoveredTrap Recoverer::recover(const Trap& trap) {
  RecoveredTrap out;
  if (!trap.numbered && names_ != nullptr) out.message = names_->hardening_message_at(trap.address);
  const bool folds = trap.numbered || !out.message.empty();
  x86::RecoverySource from = source(trap.address);
  from.evidence.hardening_message = !out.message.empty();
  x86::TrapEntries entries;
  x86::find_trap_edges(trap.address, from, code_, entries, trap_);
  out.doubt = trap_.doubt;
  for (unsigned i = 0; i < trap_.edge_count; ++i) {
    recover_edge(trap_.edges[i], from, folds, out.checks.emplace_back());
  }
  return out;
}

}  // namespace

std::vector<RecoveredTrap> recover_all(const Image& image, const Sweep& swept, Names* names) {
  const Callers callers = find_callers(image, swept.jumps);
  std::vector<RecoveredTrap> out(swept.traps.size());
  std::atomic<size_t> next{0};
  const auto work = [&] {
    const auto recoverer = std::make_unique<Recoverer>(image, callers, names);
    for (size_t i = next++; i < out.size(); i = next++) {
      out[i] = recoverer->recover(swept.traps[i]);
    }
  };
  const size_t wanted = std::min<size_t>(
      {out.size() / kTrapsPerThread, std::thread::hardware_concurrency(), kMaxThreads});
  std::vector<std::jthread> threads;
  while (threads.size() + 1 < wanted) threads.emplace_back(work);
  if (!out.empty()) work();
  threads.clear();  // waits for them
  return out;
}

}  // namespace kebound::scan
