// SPDX-License-Identifier: Apache-2.0
//
// What the accesses behind a check say about the number that it compared.
#include "trap/x86/index_use.h"

namespace kebound::x86 {
namespace {

int64_t magnitude(int64_t value) noexcept { return value < 0 ? -value : value; }

}  // namespace

uint8_t accessed_bytes(const Instruction& in) noexcept {
  for (unsigned i = 0; i < in.operand_count; ++i) {
    if (in.operands[i].kind == OperandKind::Memory) return in.operands[i].bits / 8;
  }
  return 0;
}

IndexProof proof_of(const Instruction& in, int32_t factor) noexcept {
  const int32_t length = factor < 0 ? -factor : factor;
  const int32_t bytes = accessed_bytes(in);
  if (bytes == 0) {  // not known; what is no byte is a vector register's element
    return length == 4 || length == 8 ? IndexProof::Element
           : length >= 4              ? IndexProof::Structure
                                      : IndexProof::Bytes;
  }
  return length == bytes  ? IndexProof::Element
         : length > bytes ? IndexProof::Structure
                          : IndexProof::Bytes;
}

void add_form(UseRoom& uses, const AccessForm& form) noexcept {
  for (unsigned i = 0; i < uses.form_count; ++i) {
    AccessForm& known = uses.forms[i];
    if (known.constant != form.constant || known.base != form.base || known.factor != form.factor ||
        known.offset != form.offset || known.in_step != form.in_step ||
        known.summed != form.summed) {
      continue;
    }
    // The first one, and the one that says most.
    if (known.proof < form.proof) known = form;
    return;
  }
  if (uses.form_count == UseRoom::kMaxForms) {
    uses.more_forms = true;
  } else {
    uses.forms[uses.form_count++] = form;
  }
}

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
  note_memory(in, before, base, index);
  if (has_index(base) || has_index(index) || is_linear(base) || is_linear(index)) {
    room_.followed[number_ / 64] |= uint64_t{1} << (number_ % 64);
  }
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

void IndexUse::add_memory(const IndexedMemory& memory) noexcept {
  for (unsigned i = 0; i < room_.memory_count; ++i) {
    if (room_.memory[i] == memory) return;
  }
  if (room_.memory_count == UseRoom::kMaxForms) {
    room_.more_memory = true;
  } else {
    room_.memory[room_.memory_count++] = memory;
  }
}

// What another check has let pass is that check's matter.
void IndexUse::note_memory(const Instruction& in, const FlowState& before, const IndexTag& base,
                           const IndexTag& index) noexcept {
  const IndexTag* const both[2] = {&base, &index};
  bool by_index = false;
  bool is_known = true;
  for (const IndexTag* tag : both) {
    if (tag->origins == 0 || (tag->flags & IndexTag::kSpent) != 0) continue;
    by_index |= has_index(*tag) || (tag->flags & IndexTag::kLinear) != 0;
    is_known &= is_linear(*tag) && (tag->flags & IndexTag::kLoaded) == 0;
  }
  if (!by_index) return;
  room_.more_memory |= !is_known;
  const Operand& operand = in.memory;
  IndexedMemory memory;
  if (operand.base != kNoRegister) memory.base = before.values[operand.base & 15];
  if (operand.index != kNoRegister) memory.index = before.values[operand.index & 15];
  memory.scale = operand.scale;
  memory.bytes = accessed_bytes(in);
  memory.displacement = operand.displacement;
  add_memory(memory);
}

void IndexUse::note_related(PlaceSet places, const IndexTags& tags) noexcept {
  for (; places != 0; places &= places - 1) {
    const IndexTag& tag = tags.of[first_place(places)];
    if ((tag.origins & kRelated) == 0 || (tag.flags & IndexTag::kSpent) != 0) continue;
    room_.related_address |= (tag.flags & IndexTag::kLinear) == 0 || tag.factor == 0;
  }
}

// The second register of a result is what was left in it, most often: the counter of a loop.
void IndexUse::note_related_use(const Instruction& in, PlaceSet places,
                                const IndexTags& tags) noexcept {
  const uint8_t flags = tags.of[Rdx].flags & (IndexTag::kLinear | IndexTag::kBased);
  if (in.op == Op::Ret && flags == IndexTag::kLinear) places &= ~place_bit(Rdx);
  note_related(places, tags);
}

// Addresses that are stored, or given to a function: what is accessed there is not seen.
void IndexUse::note_passed(const FlowState& before, PlaceSet places,
                           const IndexTags& tags) noexcept {
  for (; places != 0; places &= places - 1) {
    const Place place = first_place(places);
    const IndexTag& tag = tags.of[place];
    const bool by_index = has_index(tag) || (tag.flags & IndexTag::kLinear) != 0;
    const bool is_address = (tag.flags & IndexTag::kBased) != 0 &&
                            (tag.flags & (IndexTag::kSpent | IndexTag::kLoaded)) == 0;
    if (!by_index || !is_address) continue;
    room_.more_memory |= !is_linear(tag);
    IndexedMemory memory;
    memory.base = before.values[place];
    memory.bytes = 1;
    memory.passed = true;
    memory.certain = (tag.flags & IndexTag::kAddress) != 0;
    add_memory(memory);
  }
}

// Where an access is, as far as that depends on the index: forms[] has one of each kind.
void IndexUse::note_form(const Instruction& in, const FlowState& before, const IndexTag& base,
                         const IndexTag& index) noexcept {
  const Operand& memory = in.memory;
  // By what was made of the index in a way that is not followed: which element is not known.
  const IndexTag* const both[2] = {&base, &index};
  for (const IndexTag* tag : both) {
    const bool unlinear =
        (tag->flags & IndexTag::kSpent) == 0 &&
        ((has_index(*tag) && tag->factor == 0) || (tag->flags & IndexTag::kUnlinear) != 0);
    room_.more_forms |= unlinear;
    room_.unlinear |= unlinear;
    room_.related_access |= (tag->origins & kRelated) != 0 &&
                            (tag->flags & (IndexTag::kLinear | IndexTag::kSpent)) == 0;
  }
  const bool by_index = is_linear(index) && base.origins == 0;
  const bool by_base = is_linear(base) && index.origins == 0 && memory.scale == 1 &&
                       memory.index != kNoRegister && (base.flags & IndexTag::kBased) == 0;
  // An index in two dimensions.
  room_.more_forms |= is_linear(index) && is_linear(base);
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
  form.bytes = accessed_bytes(in);
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
  add_form(room_, form);
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
      if (other.loose && !own.loose) continue;
      const int64_t distance = other.offset - own.offset;
      // Of another array, if it begins where the other base is; or rows of the same one. With a
      // multiple of the index among them, the check may be that.
      if (other.constant != own.constant || other.base != own.base) {
        const bool plain = other.proof == IndexProof::Element && own.proof == IndexProof::Element &&
                           other.offset == 0 && own.offset == 0;
        explains = plain || (other.factor == own.factor && distance == 0);
        if (explains) continue;
        explains = other.factor == own.factor && sisters.all && own.factor != 0 &&
                   distance % own.factor == 0 && sisters.has(distance / own.factor);
        continue;
      }
      if (other.factor != own.factor || magnitude(distance) < magnitude(own.factor)) continue;
      explains = sisters.all && distance % own.factor == 0 && sisters.has(distance / own.factor);
    }
    if (explains) return &own;
  }
  return nullptr;
}

// One of what the instruction adds up is an address: of a global object, or on the stack.
bool IndexUse::adds_address(const Instruction& in, const FlowState& before) const noexcept {
  const bool is_lea = in.op == Op::Lea;
  if (is_lea && is_address(in.operands[1].displacement)) return true;
  const uint8_t parts[2] = {is_lea ? in.operands[1].base : in.operands[0].reg,
                            is_lea ? in.operands[1].index : in.operands[1].reg};
  for (unsigned i = 0; i < 2; ++i) {
    if (!is_lea && in.operands[i].kind == OperandKind::Immediate &&
        is_address(in.operands[i].immediate)) {
      return true;
    }
    if (!is_lea && in.operands[i].kind != OperandKind::Register) continue;
    if (parts[i] == kNoRegister) continue;
    if (parts[i] == Rsp || parts[i] == Rbp) return true;
    uint64_t address = 0;
    const Value& value = before.values[parts[i] & 15];
    if (value.bits != 0 && constant_value(flow_, value.id, address)) return true;
  }
  return false;
}

void leave_out_sisters(UseRoom& uses, const SisterChecks& sisters, AccessForm own) noexcept {
  unsigned kept = 0;
  for (unsigned i = 0; i < uses.form_count; ++i) {
    const AccessForm& form = uses.forms[i];
    int64_t distance = form.offset - own.offset;
    if (own.constant && form.constant) distance += static_cast<int64_t>(form.base - own.base);
    const bool same_base = form.constant == own.constant && (own.constant || form.base == own.base);
    const bool left_out = form.in_step && same_base && form.factor == own.factor && distance != 0 &&
                          distance % own.factor == 0 && sisters.all &&
                          sisters.has(distance / own.factor);
    if (!left_out) uses.forms[kept++] = form;
  }
  uses.form_count = static_cast<uint8_t>(kept);
}

// `sum`: what an instruction adds up, the index and something unrelated: an address.
void IndexUse::note_address(const Instruction& in, const FlowState& before,
                            IndexTag& sum) noexcept {
  const unsigned native = flow_.code().native_bits();
  const bool adds = in.op == Op::Lea || in.op == Op::Add;
  if (!adds || in.operands[0].bits != native || (sum.flags & IndexTag::kBased) == 0) return;
  const bool certain = adds_address(in, before);
  if (certain) sum.flags |= IndexTag::kAddress;
  if (has_index(sum) || (sum.flags & IndexTag::kLinear) != 0) {
    room_.displaced_address |=
        sum.shift != 0 || sum.factor == 0 ||
        (in.op == Op::Lea && in.operands[1].displacement != 0 && !in.operands[1].rip_relative);
  }
  if ((sum.flags & IndexTag::kSpent) == 0) uses_.address |= sum.origins & kAllButSuspect;
  // s + k looks like an address, too. A ud2 is no bounds check by that alone.
  const bool is_scaled = sum.factor != 1 && sum.factor != -1;
  if (!is_index(sum) || (is_bare_ && !certain && !is_scaled)) return;
  const bool displaced = in.op == Op::Lea && in.operands[1].displacement != 0;
  prove(IndexProof::Address, displaced, sum.factor);
}

}  // namespace kebound::x86
