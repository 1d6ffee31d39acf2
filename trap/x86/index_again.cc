// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/index_again.h"

#include "trap/x86/index_chain.h"

namespace kebound::x86 {
namespace {

constexpr unsigned kMaxWay = 192;  // instructions behind the check that are looked at

using Step = IndexFormula::Step;

// mul, imul, div and idiv of rax (and rdx) by one operand, whose operands the decoder does not say.
bool decode_wide(const FunctionCode& code, uint64_t at, Instruction& in) noexcept {
  constexpr uint8_t kRexWide = 8;
  uint8_t bytes[3] = {};
  code.copy(at, bytes, sizeof bytes);
  uint8_t rex = 0;
  unsigned i = 0;
  if (code.mode() == CodeMode::Bits64 && (bytes[0] & 0xf0) == 0x40) rex = bytes[i++];
  const uint8_t modrm = bytes[i + 1];
  const uint8_t operation = modrm >> 3 & 7;
  if (in.op != Op::Other || bytes[i] != 0xf7 || operation < 4) return false;
  const uint8_t bits = (rex & kRexWide) != 0 ? 64 : 32;
  in.condition = operation;
  const bool divides = operation >= 6;
  in.operand_count = divides ? 3 : 2;
  for (Operand& operand : in.operands) operand = {.kind = OperandKind::Register, .bits = bits};
  in.operands[0].reg = Rax;
  in.operands[2].reg = Rdx;
  Operand& by = in.operands[1];
  if (modrm >> 6 == 3) {
    by.reg = static_cast<uint8_t>((modrm & 7) | (rex & 1) << 3);
    return true;
  }
  by = in.memory;
  by.bits = bits;
  return in.memory.kind == OperandKind::Memory;
}

// What is the same whenever its operands are: nothing that reads flags.
bool is_function_of_operands(const FunctionCode& code, uint64_t at, Instruction& in) noexcept {
  switch (in.op) {
    case Op::Mov:
    case Op::Movzx:
    case Op::Movsx:
    case Op::Lea:
    case Op::Add:
    case Op::Sub:
    case Op::And:
    case Op::Or:
    case Op::Xor:
    case Op::Neg:
    case Op::Not:
    case Op::Inc:
    case Op::Dec:
    case Op::Shl:
    case Op::Shr:
    case Op::Sar:
    case Op::Imul:
    case Op::Cqo:
      return true;
    case Op::Other:
      return decode_wide(code, at, in);
    default:
      return false;
  }
}

bool is_zeroing(const Instruction& in) noexcept {
  const Operand& a = in.operands[0];
  const Operand& b = in.operands[1];
  return (in.op == Op::Xor || in.op == Op::Sub) && a.kind == OperandKind::Register &&
         b.kind == OperandKind::Register && a.reg == b.reg && a.high_byte == b.high_byte;
}

bool only_writes(const Instruction& in, unsigned operand) noexcept {
  if (operand != 0) return false;
  return in.op == Op::Mov || in.op == Op::Movzx || in.op == Op::Movsx || in.op == Op::Lea ||
         in.op == Op::Cqo || (in.op == Op::Imul && in.operand_count == 3);
}

class Reader {
 public:
  Reader(const FlowState& state, SlotTable& slots) noexcept : state_(state), slots_(slots) {}

  // What the instruction's result depends on; false if that is not known.
  bool read(const Instruction& in, Step& step) noexcept {
    step.in = in;
    step.loads = false;
    count_ = 0;
    if (is_zeroing(in)) return true;
    for (unsigned i = 0; i < in.operand_count; ++i) {
      const Operand& operand = in.operands[i];
      if (operand.kind == OperandKind::Memory && in.op == Op::Lea) {
        if (!address(operand, step)) return false;
      } else if (operand.kind != OperandKind::Immediate && !only_writes(in, i)) {
        if (!value(operand, step)) return false;
      }
    }
    return true;
  }

 private:
  bool add(Value held, unsigned bits, bool frame, Step& step) noexcept {
    const Value part = narrowed(held, bits);
    // rsp keeps its number when it is moved, and so do its copies; that in rbp is the frame's.
    const bool stack = part.id == kFirstEntry + Rsp && !frame;
    if (part.id == kAnonymous || part.bits == 0 || stack) return false;
    if (count_ == IndexFormula::kMaxRead) return false;
    step.read[count_++] = part;
    return true;
  }
  bool value(const Operand& operand, Step& step) noexcept {
    if (operand.high_byte) return false;
    const Place place = place_of(operand, state_, slots_, false);
    if (place == Rsp) return false;
    // What was not loaded or stored before has no number: a parameter on the stack.
    const bool named = place != kNoPlace && state_.values[place].bits != 0;
    if (named || operand.kind != OperandKind::Memory) {
      return place != kNoPlace && add(state_.values[place], operand.bits, false, step);
    }
    step.loads = true;
    return address(operand, step);
  }
  bool address(const Operand& memory, Step& step) noexcept {
    const uint8_t registers[2] = {memory.base, memory.index};
    for (const uint8_t reg : registers) {
      if (reg == kNoRegister) continue;
      if (reg == Rsp) return false;
      if (!add(state_.values[reg & 15], memory.address_bits, reg == Rbp, step)) return false;
    }
    return true;
  }

  const FlowState& state_;
  SlotTable& slots_;
  unsigned count_ = 0;
};

bool same_address(const Operand& a, const Operand& b) noexcept {
  return (a.base == kNoRegister) == (b.base == kNoRegister) &&
         (a.index == kNoRegister) == (b.index == kNoRegister) && a.scale == b.scale &&
         a.displacement == b.displacement && a.segment == b.segment &&
         a.address_bits == b.address_bits && a.rip_relative == b.rip_relative;
}

// What a step calculates, where that is a sum: the same number however it is added up.
struct Sum {
  uint8_t bits = 0;  // 0: it is no sum
  Value terms[2] = {};
  int64_t factors[2] = {};
  int64_t constant = 0;
};

Sum sum_of(const Step& step) noexcept {
  const Instruction& in = step.in;
  Sum sum;
  const unsigned bits = in.operands[0].bits;
  if (step.loads || in.operands[0].kind != OperandKind::Register || is_zeroing(in)) return sum;
  sum.factors[0] = sum.factors[1] = 1;
  const Operand& second = in.operands[1];
  switch (in.op) {
    case Op::Add:
    case Op::Sub:
      if (in.op == Op::Sub) sum.factors[1] = -1;
      break;
    case Op::Inc:
    case Op::Dec:
      break;
    case Op::Lea:
      if (second.rip_relative || second.address_bits < bits) return sum;
      sum.factors[second.base == kNoRegister ? 0 : 1] = second.scale;
      break;
    case Op::Shl:
      if (second.kind != OperandKind::Immediate) return sum;
      sum.factors[0] = int64_t{1} << (second.immediate & (bits == 64 ? 63 : 31));
      break;
    default:
      return sum;
  }
  sum.constant = added_constant(in);
  // The low bits of a sum depend on the low bits of what is added.
  for (unsigned i = 0; i < 2; ++i) sum.terms[i] = narrowed(step.read[i], bits);
  if (sum.terms[1].id == kAnonymous) {
    sum.factors[1] = 0;
  } else if (sum.terms[0] == sum.terms[1]) {
    sum.factors[0] += sum.factors[1];
    sum.factors[1] = 0;
    sum.terms[1] = {};
  }
  sum.bits = static_cast<uint8_t>(bits);
  return sum;
}

bool same_sum(const Step& a, const Step& b) noexcept {
  const Sum one = sum_of(a);
  const Sum other = sum_of(b);
  if (one.bits == 0 || one.bits != other.bits || one.constant != other.constant) return false;
  for (unsigned first = 0; first < 2; ++first) {
    bool equal = true;
    for (unsigned i = 0; i < 2; ++i) {
      const unsigned j = i ^ first;
      equal &= one.terms[i] == other.terms[j] && one.factors[i] == other.factors[j];
    }
    if (equal) return true;
  }
  return false;
}

// Both are the same operation, of the same values.
bool same(const Step& a, const Step& b) noexcept {
  if (same_sum(a, b)) return true;
  if (a.in.op != b.in.op || a.in.operand_count != b.in.operand_count || a.loads != b.loads ||
      (a.in.op == Op::Other && a.in.condition != b.in.condition) ||
      is_zeroing(a.in) != is_zeroing(b.in)) {
    return false;
  }
  for (unsigned i = 0; i < a.in.operand_count; ++i) {
    const Operand& one = a.in.operands[i];
    const Operand& other = b.in.operands[i];
    if (one.bits != other.bits || one.immediate != other.immediate) return false;
    // Where a value is kept does not matter.
    if ((one.kind == OperandKind::Immediate) != (other.kind == OperandKind::Immediate))
      return false;
    const bool is_address = a.in.op == Op::Lea || a.loads;
    if (!is_address || one.kind != OperandKind::Memory) continue;
    if (other.kind != OperandKind::Memory || !same_address(one, other)) return false;
  }
  for (unsigned i = 0; i < IndexFormula::kMaxRead; ++i) {
    if (a.read[i] != b.read[i]) return false;
  }
  return true;
}

// Nothing is written to memory between both instructions, and code is left only to traps.
bool is_quiet_between(const FlowAnalysis& flow, uint64_t from, uint64_t to) noexcept {
  Instruction in;
  if (from >= to) return false;
  for (uint64_t at = from; at < to; at += in.length) {
    if (!flow.code().decode(at, in)) return false;
    if (in.op == Op::Jcc) {
      const bool taken_traps = flow.is_trap(in.target);
      if (taken_traps == flow.is_trap(at + in.length)) return false;
      if (!taken_traps && (in.target <= at || in.target > to)) return false;
    } else if (in.writes_memory || (in.ends_block && in.op != Op::Ud2 && in.op != Op::Ud1)) {
      return false;
    }
  }
  return true;
}

bool add_step(FlowAnalysis& flow, uint64_t compare, ValueId id, IndexFormula& formula) noexcept {
  if (id < kFirstDefined || id >= kFirstPhi || formula.count == IndexFormula::kMaxSteps) {
    return false;
  }
  for (unsigned i = 0; i < formula.count; ++i) {
    if (formula.steps[i].result == id) return true;
  }
  Step& step = formula.steps[formula.count];
  step = {};
  step.result = id;
  step.which = static_cast<uint8_t>((id - kFirstDefined) % kDefinitionsEach);
  Instruction in;
  uint64_t at = 0;
  FlowState state;
  if (!definition(flow, id, in, at) || !is_function_of_operands(flow.code(), at, in)) return false;
  if (step.which != 0 && in.op != Op::Other) return false;  // the name of what a variable had
  if (!flow.state_before(at, state) || !Reader(state, flow.room().slots).read(in, step)) {
    return false;
  }
  if (step.loads && !is_quiet_between(flow, at, compare)) return false;
  ++formula.count;
  return true;
}

// Behind the check: `state` gives a result that there was before its number again.
class Way {
 public:
  Way(FlowAnalysis& flow, const IndexFormula& formula, FlowState& state, IndexAgain& out) noexcept
      : flow_(flow), formula_(formula), state_(state), out_(out) {}

  void step(const Instruction& in, uint64_t at) noexcept {
    const uint16_t number = flow_.number_of(at);
    FlowEffect effect;
    flow_effect(in, number, flow_.code().mode(), state_, flow_.room().slots, effect);
    Instruction full = in;
    Step now;
    if (is_function_of_operands(flow_.code(), at, full) &&
        Reader(state_, flow_.room().slots).read(full, now) && !(now.loads && written_)) {
      for (unsigned i = 0; i < formula_.count; ++i) {
        if (same(formula_.steps[i], now)) rename(i, number, at, effect);
      }
    }
    written_ |= in.writes_memory || effect.calls || effect.barrier;
    apply(effect, state_);
  }

 private:
  void rename(unsigned index, uint16_t number, uint64_t at, FlowEffect& effect) noexcept {
    const Step& step = formula_.steps[index];
    for (unsigned i = 0; i < effect.count; ++i) {
      Assignment& a = effect.assignments[i];
      if (a.kind == Assignment::Kind::Copy || a.value.id != defined_value(number, step.which)) {
        continue;
      }
      a.value.id = step.result;
      if (index == 0 && out_.count < IndexAgain::kMax) out_.results[out_.count++] = {at, a.place};
    }
  }

  FlowAnalysis& flow_;
  const IndexFormula& formula_;
  FlowState& state_;
  IndexAgain& out_;
  bool written_ = false;
};

}  // namespace

bool IndexAgain::has(uint64_t at, Place place) const noexcept {
  for (unsigned i = 0; i < count; ++i) {
    if (results[i].at == at && results[i].place == place) return true;
  }
  return false;
}

void find_again(FlowAnalysis& flow, const TrapEdge& edge, const FlowState& at_compare,
                ValueId index, IndexFormula& formula, IndexAgain& out) noexcept {
  out.count = 0;
  formula.count = 0;
  if (!add_step(flow, edge.compare, index, formula)) return;
  for (unsigned i = 0; i < formula.count; ++i) {
    for (const Value& read : formula.steps[i].read) {
      if (read.id != kAnonymous) add_step(flow, edge.compare, read.id, formula);
    }
  }
  FlowState state = at_compare;
  Way way(flow, formula, state, out);
  uint64_t at = edge.compare;
  for (unsigned i = 0; i < kMaxWay; ++i) {
    Instruction in;
    if (!flow.code().decode(at, in)) return;
    const uint64_t next = at + in.length;
    if (in.op == Op::Jcc) {
      const bool taken_traps = flow.is_trap(in.target);
      if (taken_traps == flow.is_trap(next)) return;
      at = taken_traps ? next : in.target;
    } else if (in.op == Op::Jmp) {
      at = in.target;
    } else if (in.falls_through && in.op != Op::Loop) {
      way.step(in, at);
      at = next;
    } else {
      return;
    }
  }
}

}  // namespace kebound::x86
