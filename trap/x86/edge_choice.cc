// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/edge_choice.h"

namespace kebound::x86 {
namespace {

enum class Verdict : uint8_t {
  Impossible,
  Possible,    // its compare cannot be executed again
  Consistent,  // the compare gives the flags as they are
};

Verdict judge(const TrapEdge& edge, const RecoverySource& source, const Registers& registers,
              CompareResult& result) noexcept {
  if (!condition_holds(edge.condition, registers.rflags)) return Verdict::Impossible;
  Instruction compare;
  if (edge.compare == 0 ||
      !decode_instruction(edge.bytes, sizeof edge.bytes, edge.compare, source.mode, compare)) {
    return Verdict::Possible;
  }
  const uint32_t gone = compare.op == Op::Sub ? edge.written & ~compare.writes : edge.written;
  if ((compare.reads & gone) != 0) return Verdict::Possible;
  if (evaluate_compare(compare, registers, source.mode, source.memory, result) !=
      Evaluation::Done) {
    return Verdict::Possible;
  }
  const bool same = ((result.flags ^ registers.rflags) & result.known_flags) == 0;
  if (same) return Verdict::Consistent;
  // Another thread, or a store in between, may have changed what was compared.
  return compare.reads_memory ? Verdict::Possible : Verdict::Impossible;
}

// "a >= 10" and "a > 9" are the same check of the same number.
struct Compared {
  uint64_t values[2] = {};
  uint8_t condition = 0;

  bool operator==(const Compared&) const = default;
};

Compared compared_by(const CompareResult& result, uint8_t condition) noexcept {
  Compared compared = {{result.values[0], result.values[1]}, condition};
  if (condition == kAboveEqual && result.values[1] != 0) {
    --compared.values[1];
    compared.condition = kAbove;
  }
  if (condition == kBelowEqual && result.values[0] != 0) {
    --compared.values[0];
    compared.condition = kBelow;
  }
  return compared;
}

}  // namespace

void choose_edge(const TrapSite& site, const RecoverySource& source, const Registers& registers,
                 const Corrections& corrections, FunctionCode* code, EdgeChoice& choice) noexcept {
  choice = {};
  uint8_t(&left)[kMaxEdges] = choice.left;
  Verdict verdicts[kMaxEdges];
  CompareResult results[kMaxEdges];
  unsigned count = 0;
  for (uint8_t i = 0; i < site.edge_count; ++i) {
    CompareResult result;
    const Verdict verdict = judge(site.edges[i], source, registers, result);
    if (verdict == Verdict::Impossible) continue;
    left[count] = i;
    verdicts[count] = verdict;
    results[count++] = result;
  }
  if (count == 0) {
    choice.doubt = site.edge_count == 0 ? site.doubt : Doubt::OperandsChanged;
    return;
  }
  if (count > 1) {
    unsigned kept = 0;
    for (unsigned i = 0; i < count; ++i) {
      const TrapEdge& edge = site.edges[left[i]];
      const bool loaded = code != nullptr && (code->contains(edge.branch) ||
                                              load_function(edge.branch, source, *code));
      if (loaded && edge.compare != 0 && !is_feasible(edge, *code, source, registers, corrections))
        continue;
      left[kept] = left[i];
      verdicts[kept] = verdicts[i];
      results[kept++] = results[i];
    }
    count = kept;
  }
  if (count == 0) {
    choice.doubt = Doubt::OperandsChanged;
    return;
  }
  choice.found = true;
  choice.left_count = static_cast<uint8_t>(count);
  choice.edge = left[0];
  choice.result = results[0];
  // Where code runs into the trap, or not all ways to it are known, what is left need not be it.
  choice.agree = site.doubt == Doubt::None;
  const Compared first = compared_by(results[0], site.edges[left[0]].condition);
  for (unsigned i = 0; i < count; ++i) {
    if (verdicts[i] != Verdict::Consistent) choice.agree = false;
    choice.agree &= compared_by(results[i], site.edges[left[i]].condition) == first;
  }
  if (count > 1) {
    choice.doubt = Doubt::SeveralCandidates;
  } else if (verdicts[0] != Verdict::Consistent) {
    choice.doubt = site.edges[left[0]].compare == 0 ? Doubt::NoCompare : Doubt::OperandsChanged;
  } else {
    choice.doubt = site.doubt;
  }
}

}  // namespace kebound::x86
