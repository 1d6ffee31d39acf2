// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/check_site.h"

#include "trap/x86/check_copies.h"
#include "trap/x86/check_judgement.h"
#include "trap/x86/index_steps.h"

namespace kebound::x86 {
namespace {

void take_fingerprint(const FunctionCode& code, CheckSite& site) noexcept {
  const CodeRange range = code.range();
  constexpr uint64_t kBefore = kMaxFingerprint / 4;
  const uint64_t before = site.compare - range.begin;
  site.fingerprint_begin = site.compare - (before < kBefore ? before : kBefore);
  const uint64_t room = range.end - site.fingerprint_begin;
  site.fingerprint_size = static_cast<uint8_t>(room < kMaxFingerprint ? room : kMaxFingerprint);
  uint8_t bytes[kMaxFingerprint];
  code.copy(site.fingerprint_begin, bytes, site.fingerprint_size);
  site.fingerprint = fingerprint(bytes, site.fingerprint_size);
}

// Of an equality, which operand counts up to the other one. False if that is not known.
bool choose_counter(const Instruction& compare, const FlowState& state, const LinearForms& forms,
                    SlotTable& slots, BoundShape& shape) noexcept {
  const unsigned count = shape.limit == BoundShape::Limit::Operand ? 2 : 1;
  for (uint8_t i = 0; i < count; ++i) {
    const Operand& operand = compare.operands[i];
    const Place place = place_of(operand, state, slots, true);
    LinearForm form;
    if (place == kNoPlace || !forms.add(narrowed(state.values[place], operand.bits), 1, form) ||
        !form.counts_up()) {
      continue;
    }
    shape.index_operand = i;
    if (count == 2) shape.limit_operand = static_cast<uint8_t>(1 - i);
    return true;
  }
  return false;
}

// The instruction that the branch of a check leads to.
Op trap_of(const TrapEdge& edge, const FunctionCode& code) noexcept {
  Instruction branch;
  Instruction trap;
  if (!code.decode(edge.branch, branch)) return Op::Other;
  const uint64_t leads_to =
      edge.condition == branch.condition ? branch.target : edge.branch + branch.length;
  return code.decode_anywhere(leads_to, trap) ? trap.op : Op::Other;
}

// Which places are to be corrected, and whether the compare can be executed again then. None, or
// why not.
Doubt choose_places(const CheckView& view, const FunctionCode& code, const SlotTable& slots,
                    CheckSite& site) noexcept {
  if (site.divisor != 1) return Doubt::DerivedValues;
  // An address that moves in step with the index would stay where it is.
  if (view.accesses.in_step && !site.unoptimized) return Doubt::DerivedValues;
  if (site.shape.equal) return Doubt::LoopCounter;
  const IndexCopies& copies = view.copies;
  const Instruction& compare = view.compare;
  Doubt doubt = Doubt::None;
  const uint16_t chosen = choose_copies(view.uses, copies, doubt);
  if (chosen == 0) return doubt;
  uint32_t registers = 0;
  for (unsigned i = 0; i < copies.count; ++i) {
    if ((chosen >> i & 1) == 0) continue;
    if (site.place_count == kMaxIndexPlaces) return Doubt::CopiesUnknown;
    const StaticPlace place =
        static_place(copies.places[i], view.state, slots, compare.operands[0].bits);
    if (!place.in_memory) registers |= register_bit(place.reg);
    site.places[site.place_count++] = place;
  }
  // The compare finds an operand by a register that is to be corrected, or what is corrected was
  // overwritten before the trap.
  const uint32_t addresses = register_bit(compare.memory.base) | register_bit(compare.memory.index);
  const bool tangled = compare.memory.kind == OperandKind::Memory && (addresses & registers) != 0;
  if (tangled || (view.edge.written & (registers | register_bit(Rsp))) != 0 ||
      !is_repeatable(view.edge, code)) {
    return Doubt::NotRepeatable;
  }
  return code.has_indirect_jumps() ? Doubt::CopiesUnknown : Doubt::None;
}

// The values of the results that are the index, calculated anew.
void note_again(FlowAnalysis& flow, const IndexAgain& again, IndexCopies& copies) noexcept {
  for (unsigned i = 0; i < again.count; ++i) {
    const IndexAgain::Result& result = again.results[i];
    Instruction in;
    FlowState state;
    FlowEffect effect;
    if (!flow.code().decode(result.at, in) || !flow.state_before(result.at, state)) continue;
    flow.step(in, flow.number_of(result.at), state, effect);
    const Value& value = state.values[result.place];
    if (value.id != kAnonymous && value.bits >= copies.bits) {
      copies.again[copies.again_count++] = value.id;
    }
  }
}

// An access of an element by the compared number was seen, or by what that was calculated from.
bool is_proven(const IndexUses& uses, const UseRoom& accesses) noexcept {
  bool proven = uses.proof >= IndexProof::Structure;
  for (unsigned i = 0; i < accesses.form_count; ++i) {
    proven |= accesses.forms[i].proof >= IndexProof::Structure;
  }
  return proven;
}

}  // namespace

uint64_t fingerprint(const uint8_t* bytes, size_t size) noexcept {
  uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a
  for (size_t i = 0; i < size; ++i) hash = (hash ^ bytes[i]) * 0x100000001b3u;
  return hash;
}

void analyze_check(const TrapEdge& edge, const BoundShape& shape, const FunctionCode& code,
                   const RecoverySource& source, CheckRoom& room, CheckSite& site) noexcept {
  site = {};
  site.branch = edge.branch;
  site.compare = edge.compare;
  site.shape = shape;
  take_fingerprint(code, site);
  Instruction compare;
  if (!code.decode(edge.compare, compare)) {
    site.resume_doubt = Doubt::CodeUnreadable;
    return;
  }
  FlowAnalysis flow(code, source, room.flow);
  site.resume_doubt = flow.run();
  if (site.resume_doubt != Doubt::None) return;

  site.resume_doubt = Doubt::CopiesUnknown;
  FlowState state;
  if (!flow.state_before(edge.compare, state)) return;
  SlotTable& slots = room.flow.slots;
  LinearForms forms(flow, room.loops);
  forms.find_counters(flow);
  if (shape.equal && !choose_counter(compare, state, forms, slots, site.shape)) {
    site.resume_doubt = Doubt::None;
    return;
  }
  const Place operand = place_of(compare.operands[site.shape.index_operand], state, slots, true);
  if (operand == kNoPlace) return;
  IndexCopies copies;
  find_copies(operand, compare.operands[0].bits, state, slots, copies);
  copies.chain = index_chain(flow, copies.value);
  flow.mark_related(copies.value, copies.bits);
  flow.mark_suspect(edge.compare);
  IndexUses uses;
  IndexAgain again;
  IndexUse use(flow, room.uses, edge, site.shape);
  Doubt doubt = use.run(state, copies, again, uses);
  if (doubt == Doubt::None) {
    find_again(flow, edge, state, copies.value, room.formula, again);
    note_again(flow, again, copies);
    if (again.count != 0 && !is_proven(uses, room.uses)) {
      doubt = use.run(state, copies, again, uses);
    }
  }
  LinearForm index;
  const Value compared = narrowed(state.values[operand], compare.operands[0].bits);
  const bool is_sum = forms.add(compared, 1, index);
  site.skips = is_sum && index.skips();
  const Op trap = trap_of(edge, code);
  SisterChecks sisters;
  find_sisters(flow, edge.compare, trap, copies.value, forms, is_sum ? &index : nullptr, sisters);
  if (is_sum) note_steps(flow, forms, edge, site.shape, index, sisters, room.uses);
  const CheckView view = {edge, compare,   state, operand, copies,
                          uses, room.uses, trap,  sisters, doubt};
  judge_check(view, source, flow, site);
  site.resume_doubt = doubt == Doubt::None ? choose_places(view, code, slots, site) : doubt;
}

}  // namespace kebound::x86
