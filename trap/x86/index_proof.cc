// SPDX-License-Identifier: Apache-2.0
//
// What the accesses behind a check say about the number that it compared.
#include "trap/x86/index_use.h"

namespace kebound::x86 {
namespace {

// 0: not known.
int32_t accessed_bits(const Instruction& in) noexcept {
  for (unsigned i = 0; i < in.operand_count; ++i) {
    if (in.operands[i].kind == OperandKind::Memory) return in.operands[i].bits;
  }
  return 0;
}

int64_t magnitude(int64_t value) noexcept { return value < 0 ? -value : value; }

IndexProof proof_of(const Instruction& in, int32_t factor) noexcept {
  const int32_t length = factor < 0 ? -factor : factor;
  const int32_t bytes = accessed_bits(in) / 8;
  if (bytes == 0) {  // not known; what is no byte is a vector register's element
    return length == 4 || length == 8 ? IndexProof::Element
           : length >= 4              ? IndexProof::Structure
                                      : IndexProof::Bytes;
  }
  return length == bytes  ? IndexProof::Element
         : length > bytes ? IndexProof::Structure
                          : IndexProof::Bytes;
}

}  // namespace

void IndexUse::prove(IndexProof proof, bool displaced, int32_t factor) noexcept {
  const bool better = static_cast<uint8_t>(proof) > static_cast<uint8_t>(uses_.proof) ||
                      (proof == uses_.proof && uses_.displaced && !displaced);
  if (!better) return;
  uses_.proof = proof;
  uses_.factor = factor;
  uses_.displaced = displaced;
  uses_.access = at_;
}

// How the program reads a narrow index shows whether it is signed.
void IndexUse::note_extension(const Instruction& in, const IndexTags& tags) noexcept {
  if (in.op == Op::Sar && in.operands[0].kind == OperandKind::Register) {
    const IndexTag& raised = tags.of[in.operands[0].reg & 15];
    const bool whole = raised.raised != 0 && in.operands[0].bits - raised.raised == bits_;
    if (whole && has_index(raised)) uses_.read_signed = true;
  }
  if (in.op != Op::Movzx && in.op != Op::Movsx) return;
  const Operand& source = in.operands[1];
  if (source.kind != OperandKind::Register || source.high_byte || source.bits != bits_) return;
  const IndexTag& tag = tags.of[source.reg & 15];
  if (!is_index(tag) || (tag.flags & IndexTag::kChanged) != 0) return;
  if (in.op == Op::Movzx) uses_.read_unsigned = true;
  if (in.op == Op::Movsx) uses_.read_signed = true;
}

void IndexUse::note_access(const Instruction& in, const FlowState& before,
                           const IndexTags& tags) noexcept {
  const Operand& memory = in.memory;
  if (memory.kind != OperandKind::Memory || in.op == Op::Lea || in.op == Op::Nop ||
      in.op == Op::Ud1) {
    return;
  }
  const IndexTag none;
  const bool has_base = memory.base != kNoRegister;
  const bool indexed = memory.index != kNoRegister;
  const IndexTag& base = has_base ? tags.of[memory.base & 15] : none;
  const IndexTag& index = indexed ? tags.of[memory.index & 15] : none;
  note_form(in, before, base, index);
  note_part(before, memory.base, base);
  note_part(before, memory.index, index);
  const bool displaced = memory.displacement != 0 && !memory.rip_relative;
  int32_t factor = 0;
  if (is_index(index) && !has_index(base)) {
    if (!has_base && !is_address(memory.displacement)) return;
    factor = index.factor * memory.scale;
  } else if (is_index(base) && !has_index(index)) {
    if (indexed && memory.scale > 1 && (base.flags & IndexTag::kBased) == 0) {
      return prove(IndexProof::Pointer, displaced, 1);
    }
    if (!indexed && (base.flags & IndexTag::kBased) == 0 && !is_address(memory.displacement)) {
      return prove(IndexProof::Pointer, displaced, 1);
    }
    factor = base.factor;
  } else {
    return;
  }
  prove(proof_of(in, factor), displaced, factor);
}

// Compilers make "k < 20" of "k / 2 < 10".
void IndexUse::note_part(const FlowState& before, uint8_t reg, const IndexTag& tag) noexcept {
  const bool follows = (tag.origins & ~(kStale | kSuspect)) != 0 && !is_linear(tag) &&
                       (tag.flags & IndexTag::kSpent) == 0;
  if (!follows || room_.by_part || reg == kNoRegister || value_ == kAnonymous) return;
  room_.by_part = is_part(flow_, before.values[reg & 15].id, value_, bits_);
}

// Where an access is, as far as that depends on the index: forms[] has one of each kind.
void IndexUse::note_form(const Instruction& in, const FlowState& before, const IndexTag& base,
                         const IndexTag& index) noexcept {
  const Operand& memory = in.memory;
  // By what was made of the index in a way that is not followed: which element is not known.
  const IndexTag* const both[2] = {&base, &index};
  for (const IndexTag* tag : both) {
    room_.more_forms |= has_index(*tag) && tag->factor == 0 && (tag->flags & IndexTag::kSpent) == 0;
  }
  const bool by_index = is_linear(index) && base.origins == 0;
  const bool by_base = is_linear(base) && index.origins == 0 && memory.scale == 1 &&
                       memory.index != kNoRegister && (base.flags & IndexTag::kBased) == 0;
  if (!by_index && !by_base) return;
  const IndexTag& tag = by_index ? index : base;
  if ((tag.flags & IndexTag::kBased) != 0) return;
  const int32_t scale = by_index ? memory.scale : 1;
  const uint8_t other = by_index ? memory.base : memory.index;
  const int64_t factor = int64_t{tag.factor} * scale;
  const int64_t shift = int64_t{tag.shift} * scale;
  if (factor % tag.divisor != 0 || shift % tag.divisor != 0) return;
  AccessForm form;
  form.factor = static_cast<int32_t>(factor / tag.divisor);
  form.offset = shift / tag.divisor + memory.displacement;
  form.proof = proof_of(in, form.factor);
  form.bytes = static_cast<uint8_t>(accessed_bits(in) / 8);
  form.access = at_;
  if (other == kNoRegister) {
    if (!is_address(memory.displacement)) return;  // by a number alone: a pointer
    form.constant = true;
  } else {
    const ValueId id = before.values[other & 15].id;
    form.base = id;
    if (id == kAnonymous || before.values[other & 15].bits == 0) return;
    form.constant = constant_value(flow_, id, form.base);
  }
  for (unsigned i = 0; i < room_.form_count; ++i) {
    AccessForm& known = room_.forms[i];
    if (known.constant != form.constant || known.base != form.base || known.factor != form.factor ||
        known.offset != form.offset) {
      continue;
    }
    // The first one, and the one that says most.
    if (known.proof < form.proof) known = form;
    return;
  }
  if (room_.form_count == UseRoom::kMaxForms) {
    room_.more_forms = true;
  } else {
    room_.forms[room_.form_count++] = form;
  }
}

// The form of the access that the check guards, where those that there are can be told apart:
// those of other elements have checks of their own. clang makes one check of two, "k < 7" for a[k]
// and a[k + 3] of ten elements, and which of both would have failed is not known then.
const AccessForm* own_form(const UseRoom& uses, const SisterChecks& sisters,
                           IndexProof least) noexcept {
  if (uses.more_forms) return nullptr;
  for (unsigned i = 0; i < uses.form_count; ++i) {
    const AccessForm& own = uses.forms[i];
    if (own.proof < least) continue;
    bool explains = true;
    for (unsigned j = 0; j < uses.form_count && explains; ++j) {
      const AccessForm& other = uses.forms[j];
      if (other.constant != own.constant || other.base != own.base) continue;
      const int64_t distance = other.offset - own.offset;
      if (other.factor != own.factor || magnitude(distance) < magnitude(own.factor)) continue;
      explains = sisters.all && distance % own.factor == 0 && sisters.has(distance / own.factor);
    }
    if (explains) return &own;
  }
  return nullptr;
}

// `sum`: what an instruction adds up, the index and something unrelated: an address.
void IndexUse::note_address(const Instruction& in, const IndexTag& sum) noexcept {
  const unsigned native = flow_.code().mode() == CodeMode::Bits64 ? 64 : 32;
  const bool adds = in.op == Op::Lea || in.op == Op::Add;
  if (!adds || in.operands[0].bits != native || (sum.flags & IndexTag::kBased) == 0) return;
  if (has_index(sum) || (sum.flags & IndexTag::kLinear) != 0) {
    room_.makes_address = true;
    room_.displaced_address |=
        sum.shift != 0 || sum.factor == 0 ||
        (in.op == Op::Lea && in.operands[1].displacement != 0 && !in.operands[1].rip_relative);
  }
  if ((sum.flags & IndexTag::kSpent) == 0) uses_.address |= sum.origins & kAllButSuspect;
  if (!is_index(sum)) return;
  const bool displaced = in.op == Op::Lea && in.operands[1].displacement != 0;
  prove(IndexProof::Address, displaced, sum.factor);
}

}  // namespace kebound::x86
