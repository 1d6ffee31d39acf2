// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/folded_check.h"

#include "trap/x86/flow_stores.h"
#include "trap/x86/index_chain.h"

namespace kebound::x86 {
namespace {

constexpr unsigned kMaxSteps = 24;

// What is made of a number behind its check.
struct OtherUses {
  bool quotient_access = false;  // a quotient of it addresses memory
  bool even_access = false;      // or an even multiple of it, in elements
  bool quotient_sum = false;     // or is added to something, which may be an address
  bool twice = false;            // two registers of one address follow from it
};

// How a value follows from the compared number, or from what that is a sum or multiple of.
struct Trace {
  bool follows = false;
  bool quotient = false;
  int64_t factor = 1;  // of the last way that is even; 0: not known
};

class Tracer {
 public:
  Tracer(const FlowAnalysis& flow, const IndexCopies& copies) noexcept
      : flow_(flow), copies_(copies) {}

  // Doubtful where that takes more steps than there is room for.
  [[nodiscard]] Trace trace(ValueId value) const noexcept {
    Trace out;
    if (value == kAnonymous) return out;
    ValueId open[kMaxSteps] = {value};
    bool divided[kMaxSteps] = {};
    int64_t factors[kMaxSteps] = {1};
    unsigned count = 1;
    for (unsigned i = 0; i < count; ++i) {
      if (is_root(open[i])) {
        out.follows = true;
        out.quotient |= divided[i];
        if (out.factor % 2 != 0) out.factor = factors[i];
        continue;
      }
      Instruction in;
      uint64_t at = 0;
      if (!flow_.is_related(open[i]) || !definition(flow_, open[i], in, at)) continue;
      const Origin& origin = flow_.room().origins[open[i]];
      for (unsigned j = 0; j < 3; ++j) {
        const ValueId from = origin.from[j];
        if (from == kAnonymous || (origin.loaded >> j & 1) != 0 || drops_index(in, from)) continue;
        const bool also = divided[i] || divides(in, from);
        int64_t factor = 0;
        for (unsigned k = 0; k < 3; ++k) factor += origin.from[k] == from ? origin.factors[k] : 0;
        factor *= factors[i];
        if (factor > INT32_MAX || factor < INT32_MIN) factor = 0;
        bool is_new = true;
        for (unsigned k = 0; k < count && is_new; ++k) {
          is_new = open[k] != from || divided[k] != also || factors[k] != factor;
        }
        if (!is_new) continue;
        if (count == kMaxSteps) return {true, true, 0};
        divided[count] = also;
        factors[count] = factor;
        open[count++] = from;
      }
    }
    return out;
  }

 private:
  [[nodiscard]] bool is_root(ValueId value) const noexcept {
    const IndexChain& chain = copies_.chain;
    return value == copies_.value || chain.find(value) != chain.count;
  }
  // The bits that `source` was shifted up by.
  [[nodiscard]] int64_t raised(ValueId source) const noexcept {
    Instruction in;
    uint64_t at = 0;
    const bool shifts = definition(flow_, source, in, at) && in.op == Op::Shl &&
                        in.operands[1].kind == OperandKind::Immediate;
    return shifts ? in.operands[1].immediate : 0;
  }
  [[nodiscard]] bool divides(const Instruction& in, ValueId source) const noexcept {
    if (in.op != Op::Shr && in.op != Op::Sar) return false;
    return in.operands[1].kind != OperandKind::Immediate ||
           in.operands[1].immediate > raised(source);
  }
  // Another number of those that lie in one register.
  [[nodiscard]] bool drops_index(const Instruction& in, ValueId source) const noexcept {
    const bool moves = in.op == Op::Mov || in.op == Op::Movzx || in.op == Op::Movsx;
    if (moves) return in.operands[1].high_byte && copies_.bits <= 8;
    if ((in.op != Op::Shr && in.op != Op::Sar) || in.operands[1].kind != OperandKind::Immediate) {
      return false;
    }
    return in.operands[1].immediate >= copies_.bits + raised(source);
  }

  const FlowAnalysis& flow_;
  const IndexCopies& copies_;
};

// 0: not known.
unsigned accessed_bytes(const Instruction& in) noexcept {
  for (unsigned i = 0; i < in.operand_count; ++i) {
    if (in.operands[i].kind == OperandKind::Memory) return in.operands[i].bits / 8u;
  }
  return 0;
}

bool is_even_multiple(int64_t factor, unsigned bytes) noexcept {
  const int64_t size = bytes == 0 ? 1 : bytes;
  return factor % size != 0 || factor / size % 2 == 0;
}

ValueId held(const FlowState& state, uint8_t reg) noexcept {
  return reg == kNoRegister || state.values[reg & 15].bits == 0 ? kAnonymous
                                                                : state.values[reg & 15].id;
}

void look_at(const Tracer& tracer, const Instruction& in, const FlowState& before,
             OtherUses& uses) noexcept {
  const bool sums = in.op == Op::Lea || in.op == Op::Add;
  const Operand& memory = in.op == Op::Lea ? in.operands[1] : in.memory;
  if (memory.kind == OperandKind::Memory && in.op != Op::Nop && in.op != Op::Ud1) {
    const Trace base = tracer.trace(held(before, memory.base));
    const Trace index = tracer.trace(held(before, memory.index));
    const bool quotient = base.quotient || index.quotient;
    const unsigned bytes = accessed_bytes(in);
    if (in.op == Op::Lea) {
      uses.quotient_sum |= quotient;
      uses.twice |= memory.base != memory.index && base.follows && index.follows;
    } else {
      uses.quotient_access |= quotient;
      uses.twice |= base.follows && index.follows;
      uses.even_access |= base.follows && is_even_multiple(base.factor, bytes);
      uses.even_access |= index.follows && is_even_multiple(index.factor * memory.scale, bytes);
    }
  }
  if (!sums || in.op == Op::Lea) return;
  for (unsigned i = 0; i < 2; ++i) {
    if (in.operands[i].kind != OperandKind::Register) continue;
    uses.quotient_sum |= tracer.trace(held(before, in.operands[i].reg)).quotient;
  }
}

// In all that can be reached from the compare, the rest of its own block included.
OtherUses other_uses(FlowAnalysis& flow, uint64_t compare, const IndexCopies& copies) noexcept {
  OtherUses uses;
  const Tracer tracer(flow, copies);
  FlowRoom& room = flow.room();
  const uint16_t own = flow.block_at(compare);
  if (own == kNoBlock) return uses;
  uint64_t reached[(kMaxFlowBlocks + 63) / 64] = {};
  const auto mark = [&reached](uint16_t block) {
    if (block == kNoBlock || (reached[block / 64] >> (block % 64) & 1) != 0) return false;
    reached[block / 64] |= uint64_t{1} << (block % 64);
    return true;
  };
  mark(own);
  for (bool changed = true; changed;) {
    changed = false;
    for (uint16_t i = 0; i < room.block_count; ++i) {
      if ((reached[i / 64] >> (i % 64) & 1) == 0) continue;
      changed |= mark(room.blocks[i].taken);
      changed |= mark(room.blocks[i].passed);
    }
  }
  Instruction in;
  FlowEffect effect;
  for (uint16_t i = 0; i < room.block_count; ++i) {
    if ((reached[i / 64] >> (i % 64) & 1) == 0 || !room.states[i].reached) continue;
    FlowState state = room.states[i];
    uint16_t number = room.blocks[i].first_number;
    for (uint64_t at = room.blocks[i].begin; at < room.blocks[i].end; at += in.length) {
      if (!flow.code().decode(at, in)) return uses;
      if (i != own || at >= compare) look_at(tracer, in, state, uses);
      flow.step(in, number++, state, effect);
    }
  }
  return uses;
}

// Accesses of two arrays behind one check of clang: it may be two checks, and a sum in one of them.
bool accesses_several(const CheckView& view, FlowAnalysis& flow) noexcept {
  const UseRoom& uses = view.accesses;
  bool several = false;
  for (unsigned i = 1; i < uses.form_count; ++i) {
    several |= uses.forms[i].constant != uses.forms[0].constant ||
               uses.forms[i].base != uses.forms[0].base;
  }
  if (!several) return false;
  SisterChecks sisters;
  find_sisters(flow, view.edge.compare, Op::Ud1, view.copies.value, sisters);
  return !sisters.has(0);
}

}  // namespace

bool may_be_folded(const CheckView& view, const CheckSite& site, bool is_ud1,
                   FlowAnalysis& flow) noexcept {
  // 4 * k < 4 and 4 * k < 3 are k == 0.
  if (view.compare.op == Op::Test && site.shape.greatest == 0) return true;
  const OtherUses uses = other_uses(flow, view.edge.compare, view.copies);
  if (uses.quotient_access) return true;
  if (site.proof <= IndexProof::Address && uses.quotient_sum) return true;
  if (is_ud1) return uses.twice || accesses_several(view, flow);
  const bool ranged = site.range == IndexRange::Known || site.range == IndexRange::Counted;
  if (!ranged || site.divisor != 1) return false;
  // gcc divides limits by powers of two only. What is accessed by another number that follows from
  // the compared one may have no check.
  return uses.even_access || (site.proof == IndexProof::Address && site.factor % 2 == 0);
}

}  // namespace kebound::x86
