// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/index_tag.h"

#include "trap/x86/index_chain.h"

namespace kebound::x86 {
namespace {

constexpr uint16_t kCopies = kRelated - 1;

bool is_constant_sum(const Instruction& in, const Assignment& a) noexcept {
  switch (in.op) {
    case Op::Or:
      return a.factors[0] != 0;
    case Op::Inc:
    case Op::Dec:
      return true;
    case Op::Add:
    case Op::Sub:
      return in.operands[1].kind == OperandKind::Immediate;
    case Op::Lea:
      return in.operands[1].displacement != 0 && !is_address(in.operands[1].displacement);
    default:
      return false;
  }
}

bool adds_unknown(const Instruction& in) noexcept {
  if (in.op == Op::Lea) return is_address(in.operands[1].displacement);
  return in.op == Op::Add && in.operands[1].kind == OperandKind::Memory;
}

// shl $32; sar $30: an int as a long, times four.
bool is_extension(const Instruction& in, const IndexTag& source, IndexTag& tag) noexcept {
  constexpr int64_t kLeast = 16;
  if (in.operand_count != 2 || in.operands[0].kind != OperandKind::Register ||
      in.operands[1].kind != OperandKind::Immediate) {
    return false;
  }
  const int64_t by = in.operands[1].immediate & (in.operands[0].bits == 64 ? 63 : 31);
  if (in.op == Op::Shl && by >= kLeast) {
    const bool plain =
        source.factor == 1 && source.divisor == 1 && source.shift == 0 && source.raised == 0;
    if (!plain) return false;
    tag = source;
    tag.raised = static_cast<uint8_t>(by);
  } else if ((in.op == Op::Sar || in.op == Op::Shr) && source.raised != 0 && source.factor != 0) {
    const int64_t left = source.raised - by;
    if (left < 0 || left > 14) return false;
    tag = source;
    tag.raised = 0;
    tag.factor = static_cast<int16_t>(1 << left);
  } else {
    return false;
  }
  tag.flags |= IndexTag::kChanged;
  return true;
}

}  // namespace

bool has_index(const IndexTag& tag) noexcept { return (tag.origins & (kCopies | kAgain)) != 0; }

bool is_index(const IndexTag& tag) noexcept {
  return has_index(tag) && (tag.origins & (kStale | kSuspect)) == 0 && tag.factor != 0 &&
         tag.raised == 0 &&
         (tag.flags & (IndexTag::kShifted | IndexTag::kSpent | IndexTag::kLinear)) == 0;
}

bool is_linear(const IndexTag& tag) noexcept {
  return (has_index(tag) || (tag.flags & IndexTag::kLinear) != 0) &&
         (tag.origins & (kStale | kSuspect)) == 0 && tag.factor != 0 && tag.raised == 0 &&
         (tag.flags & IndexTag::kSpent) == 0;
}

bool join(IndexTag& into, const IndexTag& from) noexcept {
  if (from.origins == 0) return false;
  if (into.origins == 0) {
    into = from;
    return true;
  }
  const IndexTag before = into;
  const uint8_t spent = into.flags & from.flags & IndexTag::kSpent;
  into.origins |= from.origins;
  into.flags = static_cast<uint8_t>(((into.flags | from.flags) & ~IndexTag::kSpent) | spent);
  if (into.factor != from.factor || into.divisor != from.divisor || into.shift != from.shift ||
      into.raised != from.raised) {
    into.raised = 0;
    into.factor = 0;
    into.divisor = 1;
    into.shift = 0;
  }
  return into != before;
}

// shr $8 of a place whose lower 8 bits are the index, or shl $24 and shr $32: nothing of it is
// left.
static bool drops_index(const Instruction& in, const IndexTag& source, unsigned bits) noexcept {
  // Of a sum there would be the carry.
  const uint8_t changed =
      source.raised != 0 ? IndexTag::kShifted | IndexTag::kBased : IndexTag::kChanged;
  const bool plain = source.factor == 1 && source.divisor == 1 && source.shift == 0 &&
                     has_index(source) && (source.flags & (changed | IndexTag::kLinear)) == 0;
  return plain && (in.op == Op::Shr || in.op == Op::Sar) &&
         in.operands[1].kind == OperandKind::Immediate &&
         in.operands[1].immediate >= static_cast<int64_t>(bits + source.raised) &&
         in.operands[1].immediate < in.operands[0].bits;
}

IndexTag derived(const Instruction& in, const Assignment& a, const IndexTags& before,
                 unsigned bits) noexcept {
  IndexTag tag;
  if (a.sources[0] != kNoPlace && drops_index(in, before.of[a.sources[0]], bits)) return tag;
  if (a.sources[0] != kNoPlace && is_extension(in, before.of[a.sources[0]], tag)) return tag;
  int64_t factor = 0;
  int64_t shift = 0;
  uint8_t divisor = 0;  // none yet
  bool known = true;
  bool spent = true;  // all of it
  bool others = adds_unknown(in);
  for (unsigned i = 0; i < 3; ++i) {
    if (a.sources[i] == kNoPlace || (a.loaded >> i & 1) != 0) continue;
    const IndexTag& source = before.of[a.sources[i]];
    if (source.origins == 0) {
      others = true;
      continue;
    }
    tag.origins |= source.origins;
    spent &= (source.flags & IndexTag::kSpent) != 0;
    if (!has_index(source) && (source.flags & IndexTag::kLinear) == 0) {
      tag.flags |= source.flags & IndexTag::kUnlinear;
      others = true;
      continue;
    }
    tag.flags |= source.flags;
    known &= (source.flags & IndexTag::kLoaded) == 0;
    known &= source.factor != 0 && a.factors[i] != 0 && source.raised == 0;
    known &= divisor == 0 || divisor == source.divisor;
    divisor = source.divisor;
    factor += int64_t{source.factor} * a.factors[i];
    shift += int64_t{source.shift} * a.factors[i];
  }
  if (tag.origins == 0) return tag;
  tag.flags &= static_cast<uint8_t>(~IndexTag::kLoaded);
  tag.flags |= IndexTag::kChanged;
  if (!spent) tag.flags &= static_cast<uint8_t>(~IndexTag::kSpent);
  if (others) {
    const bool sum = in.op == Op::Add || in.op == Op::Lea;
    known &= sum;
    tag.flags |= IndexTag::kBased;
  } else if (is_constant_sum(in, a)) {
    tag.flags |= IndexTag::kShifted;
  }
  if (is_constant_sum(in, a)) shift += added_constant(in) * (divisor == 0 ? 1 : divisor);
  known &= factor >= INT16_MIN && factor <= INT16_MAX && factor != 0;
  known &= shift >= INT32_MIN && shift <= INT32_MAX;
  if (!known) return tag;
  tag.factor = static_cast<int16_t>(factor);
  tag.divisor = divisor == 0 ? 1 : divisor;
  tag.shift = static_cast<int32_t>(shift);
  return tag;
}

}  // namespace kebound::x86
