// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/index_chain.h"

#include "trap/x86/compare.h"
#include "trap/x86/linear_form.h"

namespace kebound::x86 {
namespace {

constexpr unsigned kMaxConstantSteps = 6;

bool fits(int64_t value, int64_t least, int64_t greatest) noexcept {
  return value >= least && value <= greatest;
}

// The one value that `value` is a multiple of, with or without a constant.
bool only_source(const Origin& origin, ValueId& source, int64_t& factor) noexcept {
  source = kAnonymous;
  factor = 0;
  if (origin.more || origin.loaded != 0) return false;
  for (unsigned i = 0; i < 3; ++i) {
    if (origin.from[i] == kAnonymous) continue;
    if (origin.factors[i] == 0) return false;
    if (source != kAnonymous && source != origin.from[i]) return false;
    source = origin.from[i];
    factor += origin.factors[i];
  }
  return source != kAnonymous && factor != 0;
}

bool is_linear(const Instruction& in) noexcept {
  switch (in.op) {
    case Op::Add:
    case Op::Sub:
      return in.operands[1].kind != OperandKind::Memory &&
             in.operands[0].kind == OperandKind::Register;
    case Op::Lea:
      return !in.operands[1].rip_relative && !is_address(in.operands[1].displacement);
    case Op::Inc:
    case Op::Dec:
    case Op::Shl:
    case Op::Imul:
    case Op::Or:  // where it has a factor, see FlowAnalysis::step
      return in.operands[0].kind == OperandKind::Register;
    default:
      return false;
  }
}

}  // namespace

int64_t added_constant(const Instruction& in) noexcept {
  switch (in.op) {
    case Op::Inc:
      return 1;
    case Op::Dec:
      return -1;
    case Op::Add:
      return in.operands[1].kind == OperandKind::Immediate ? in.operands[1].immediate : 0;
    case Op::Sub:
      return in.operands[1].kind == OperandKind::Immediate ? -in.operands[1].immediate : 0;
    case Op::Or:
      return in.operands[1].kind == OperandKind::Immediate ? in.operands[1].immediate : 0;
    case Op::Lea:
      return in.operands[1].displacement;
    default:
      return 0;
  }
}

bool definition(const FlowAnalysis& flow, ValueId value, Instruction& in, uint64_t& at) noexcept {
  if (value < kFirstDefined || value >= kFirstPhi) return false;
  const FlowRoom& room = flow.room();
  const unsigned number = (value - kFirstDefined) / kDefinitionsEach;
  for (unsigned i = 0; i < room.block_count; ++i) {
    const bool last = i + 1u == room.block_count;
    if (!last && room.blocks[i + 1].first_number <= number) continue;
    unsigned at_number = room.blocks[i].first_number;
    for (at = room.blocks[i].begin; at < room.blocks[i].end; at += in.length) {
      if (!flow.code().decode(at, in)) return false;
      if (at_number++ == number) return true;
    }
    return false;
  }
  return false;
}

unsigned IndexChain::find(ValueId value) const noexcept {
  unsigned i = 0;
  while (i < count && values[i] != value) ++i;
  return i;
}

IndexChain index_chain(const FlowAnalysis& flow, ValueId compared) noexcept {
  IndexChain chain;
  int64_t factor = 1;
  int64_t sum = 0;
  ValueId value = compared;
  while (chain.count < IndexChain::kMax) {
    Instruction in;
    uint64_t at = 0;
    ValueId source = kAnonymous;
    int64_t by = 0;
    if (!definition(flow, value, in, at) || !is_linear(in)) break;
    if (!only_source(flow.room().origins[value], source, by)) break;
    sum += factor * added_constant(in);
    factor *= by;
    if (!fits(factor, INT16_MIN, INT16_MAX) || !fits(sum, INT32_MIN, INT32_MAX)) break;
    chain.values[chain.count] = source;
    chain.factors[chain.count] = static_cast<int16_t>(factor);
    chain.sums[chain.count++] = static_cast<int32_t>(sum);
    value = source;
  }
  return chain;
}

bool constant_value(const FlowAnalysis& flow, ValueId value, uint64_t& out) noexcept {
  uint64_t sum = 0;
  for (unsigned i = 0; i < kMaxConstantSteps; ++i) {
    Instruction in;
    uint64_t at = 0;
    if (!definition(flow, value, in, at)) return false;
    const bool rip_relative = in.op == Op::Lea && in.operands[1].rip_relative;
    const bool reads_ip = in.calls_next || flow.reads_ip(in) != kNoRegister;
    if (rip_relative || reads_ip) {
      out = sum + (reads_ip ? at + in.length : static_cast<uint64_t>(in.operands[1].displacement));
      if (flow.code().mode() == CodeMode::Bits32) out &= width_mask(32);
      return true;
    }
    ValueId source = kAnonymous;
    int64_t factor = 0;
    if (in.op != Op::Add && in.op != Op::Sub && in.op != Op::Lea) return false;
    if (!only_source(flow.room().origins[value], source, factor) || factor != 1) return false;
    sum += static_cast<uint64_t>(added_constant(in));
    value = source;
  }
  return false;
}

bool SisterChecks::has(int64_t sum) const noexcept {
  for (unsigned i = 0; i < count; ++i) {
    if (sums[i] == sum) return true;
  }
  return false;
}

// "Trap below -7", of an unsigned number: seven more than that is the index of seven elements. The
// seven; 0 for what is no such check.
int64_t added_to_limit(const Instruction& compare, uint8_t condition) noexcept {
  constexpr int64_t kMost = 4096;
  const Operand& limit = compare.operands[1];
  if (compare.op != Op::Cmp || limit.kind != OperandKind::Immediate ||
      (condition != kBelow && condition != kBelowEqual)) {
    return 0;
  }
  const int64_t least = limit.immediate + (condition == kBelowEqual ? 1 : 0);
  return compare.operands[0].bits >= 32 && least < 0 && least > -kMost ? -least : 0;
}

void find_sisters(FlowAnalysis& flow, uint64_t compare, Op trap, ValueId compared,
                  const LinearForms& forms, const LinearForm* index, SisterChecks& out) noexcept {
  out = {};
  const IndexChain own = index_chain(flow, compared);
  FlowRoom& room = flow.room();
  for (unsigned i = 0; i < room.block_count; ++i) {
    if (!room.states[i].reached) continue;
    TrapEdge edge;
    edge.branch = flow.code().previous(room.blocks[i].end);
    Instruction in;
    if (!flow.code().decode(edge.branch, in) || in.op != Op::Jcc) continue;
    const bool taken_traps = flow.is_trap(in.target);
    if (taken_traps == flow.is_trap(edge.branch + in.length)) continue;
    const uint8_t condition = static_cast<uint8_t>(taken_traps ? in.condition : in.condition ^ 1);
    Instruction raised;
    const uint64_t leads_to = taken_traps ? in.target : edge.branch + in.length;
    if (!flow.code().decode_anywhere(leads_to, raised)) continue;
    if (trap == Op::Ud1 && raised.op != Op::Ud1) continue;
    find_branch_compare(flow.code(), edge);
    BoundShape shape;
    FlowState state;
    if (edge.compare == 0 || edge.compare == compare || !flow.code().decode(edge.compare, in) ||
        !flow.state_before(edge.compare, state)) {
      continue;
    }
    const int64_t added = added_to_limit(in, condition);
    if (added == 0 && !bound_shape(in, condition, shape)) continue;
    const Place place = place_of(in.operands[shape.index_operand], state, room.slots, false);
    if (place == kNoPlace || state.values[place].bits == 0) continue;
    // Both are sums of the same value: the values themselves, or what they were calculated from.
    const ValueId other = state.values[place].id;
    const IndexChain chain = index_chain(flow, other);
    LinearForm distance;
    const bool is_sum =
        index != nullptr &&
        forms.add(narrowed(state.values[place], in.operands[shape.index_operand].bits), 1,
                  distance) &&
        distance.add(*index, -1) && distance.count == 0;
    const auto add = [&out, added](int64_t sum) {
      sum += added;
      if (out.has(sum)) return;
      if (out.count == SisterChecks::kMax || !fits(sum, INT32_MIN, INT32_MAX)) {
        out.all = false;
      } else {
        out.sums[out.count++] = static_cast<int32_t>(sum);
      }
    };
    if (other == compared) {
      add(0);
      continue;
    }
    if (is_sum) {
      add(sign_extend(distance.constant, 32));
      continue;
    }
    const unsigned up = own.find(other);
    if (up < own.count && own.factors[up] == 1) {
      add(-int64_t{own.sums[up]});
      continue;
    }
    bool found = false;
    for (unsigned j = 0; j < chain.count; ++j) {
      const unsigned k = own.find(chain.values[j]);
      const bool is_own = chain.values[j] == compared;
      if (!is_own && k == own.count) continue;
      if (chain.factors[j] != (is_own ? 1 : own.factors[k])) break;
      add(int64_t{chain.sums[j]} - (is_own ? 0 : own.sums[k]));
      found = true;
      break;
    }
    if (!found && out.other_count < SisterChecks::kMax) out.others[out.other_count++] = other;
  }
}

}  // namespace kebound::x86
