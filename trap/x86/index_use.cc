// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/index_use.h"

namespace kebound::x86 {
namespace {

constexpr unsigned kMaxRounds = 24;
constexpr uint16_t kCopies = kRelated - 1;

}  // namespace

uint16_t IndexUse::all_of(const IndexTags& tags, PlaceSet places) const noexcept {
  uint16_t origins = 0;
  for (; places != 0; places &= places - 1) {
    origins |= tags.of[first_place(places)].origins;
  }
  return origins & kAllButSuspect;
}

// As addresses: what another check has let pass is that check's matter.
uint16_t IndexUse::addresses_of(const IndexTags& tags, PlaceSet places) const noexcept {
  uint16_t origins = 0;
  for (; places != 0; places &= places - 1) {
    const IndexTag& tag = tags.of[first_place(places)];
    if ((tag.flags & IndexTag::kSpent) == 0) origins |= tag.origins;
  }
  return origins & kAllButSuspect;
}

// a[i] += x, where the index was calculated twice: once to read a[i], and once more for the check.
void IndexUse::note_store(const Instruction& in, const FlowState& before, const FlowEffect& effect,
                          const IndexTags& tags) noexcept {
  if (!in.writes_memory || (addresses_of(tags, effect.address_uses) & kCopies) == 0) return;
  uint16_t stored = in.op == Op::Other ? tags.of[kVectors].origins : uint16_t{0};
  for (unsigned i = 0; i < in.operand_count; ++i) {
    const Place place = place_of(in.operands[i], before, flow_.room().slots, false);
    if (place != kNoPlace) stored |= tags.of[place].origins;
  }
  if ((stored & kSuspect) != 0) uses_.stale_store = true;
}

void IndexUse::instruction(const Instruction& in, uint64_t at, const FlowState& before,
                           const FlowEffect& effect, IndexTags& tags, Pending& pending) noexcept {
  const bool own = at == edge_.compare;
  at_ = at;
  uses_.address |= addresses_of(tags, effect.address_uses);
  note_related(effect.address_uses, tags);
  note_store(in, before, effect, tags);
  note_access(in, before, tags);
  note_extension(in, tags);
  if (all_of(tags, effect.lost) != 0) uses_.lost = true;
  if (effect.barrier && all_of(tags, ~PlaceSet{0}) != 0) uses_.lost = true;

  const uint16_t flags = pending.flags;
  const bool reads_flags =
      in.op == Op::Setcc || in.op == Op::Cmov || in.op == Op::Adc || in.op == Op::Sbb;
  if (in.op == Op::Cmp || in.op == Op::Test) {
    pending = {};
    pending.flags = all_of(tags, effect.value_uses);
    pending.valid = true;
    pending.compare = in;
    for (unsigned i = 0; i < 2; ++i) {
      const Place place = place_of(in.operands[i], before, flow_.room().slots, false);
      if (place == kNoPlace) continue;
      if (before.values[place].bits != 0) pending.ids[i] = before.values[place].id;
      const IndexTag& tag = tags.of[place];
      if (!own) {
        pending.origins |= tag.origins;
      } else if (i == shape_.index_operand && (tag.flags & IndexTag::kChanged) != 0) {
        uses_.returned |= tag.origins;
      }
    }
  } else {
    uses_.value |= all_of(tags, effect.value_uses);
    note_related_use(in, effect.value_uses, tags);
    note_passed(before, effect.value_uses, tags);
    if (effect.count != 0 && in.writes_flags) pending = {};
    if (in.writes_flags) pending.flags = all_of(tags, effect.value_uses);
  }

  IndexTag assigned[FlowEffect::kMax];
  for (unsigned i = 0; i < effect.count; ++i) {
    const Assignment& a = effect.assignments[i];
    if (a.kind == Assignment::Kind::Derived) {
      assigned[i] = derived(in, a, tags, bits_);
      note_address(in, before, assigned[i]);
    } else if (a.kind == Assignment::Kind::Copy) {
      assigned[i] = tags.of[a.sources[0]];
      // What the index was calculated from may be narrower, if it is extended as it was for that.
      const bool extended = (assigned[i].flags & IndexTag::kLinear) != 0 && a.value.bits != 0 &&
                            a.value.rest != Rest::Unrelated;
      if (a.value.bits < bits_ && !extended) assigned[i].factor = 0;
    }
    // Loading a slot whose value was not known gives it a name, and nothing else. (movzbl %ah,%eax
    // is no such load.)
    if (a.kind == Assignment::Kind::Derived && a.sources[0] == a.place && in.op != Op::Lea &&
        (in.op == Op::Mov || in.op == Op::Movzx || in.op == Op::Movsx) &&
        !in.operands[1].high_byte) {
      assigned[i] = tags.of[a.place];
      // By an address in the same register: an element, which counts as the index where it is used.
      if ((a.loaded & 1) != 0) assigned[i].flags |= IndexTag::kLoaded;
    }
    // Without optimization clang's second check of an access, of -fsanitize=local-bounds, is made
    // of setb and or.
    if (reads_flags && flags != 0) {
      assigned[i].origins |= flags;
      assigned[i].factor = 0;
    }
    if (in.writes_flags) pending.flags |= assigned[i].origins & kAllButSuspect;
    if (again_->has(at, a.place)) assigned[i] = {.origins = kAgain, .factor = 1};
  }
  for (PlaceSet rest = effect.clobbered; rest != 0; rest &= rest - 1) {
    tags.of[first_place(rest)] = {};
  }
  for (unsigned i = 0; i < effect.count; ++i) tags.of[effect.assignments[i].place] = assigned[i];
}

void IndexUse::enter(uint16_t block, const IndexTags& tags, bool& changed) noexcept {
  IndexTags& into = room_.blocks[block];
  if (!into.reached) {
    into.reached = true;
    changed = true;
  }
  for (unsigned i = 0; i < kMaxPlaces; ++i) changed |= join(into.of[i], tags.of[i]);
}

// Follows the ways out of a block. Behind a passed check its index is in bounds: what equals it is
// nothing to worry about any more.
void IndexUse::leave(uint16_t index, uint64_t last, const Instruction& in, const FlowState& state,
                     const Pending& pending, const IndexTags& tags, bool quiet,
                     bool& changed) noexcept {
  const FlowBlock& block = flow_.room().blocks[index];
  if (block.leaves && all_of(tags, ~PlaceSet{0}) != 0) uses_.lost = true;
  if (in.op == Op::JmpIndirect && all_of(tags, ~PlaceSet{0}) != 0) uses_.lost = true;
  if (in.op != Op::Jcc) {
    uses_.value |= pending.origins;
    if (block.taken != kNoBlock) enter(block.taken, tags, changed);
    if (block.passed != kNoBlock) enter(block.passed, tags, changed);
    return;
  }
  const bool taken_traps = flow_.is_trap(in.target);
  const bool passed_traps = flow_.is_trap(last + in.length);
  const bool is_check = taken_traps != passed_traps;
  // clang's second check of the same access, -fsanitize=local-bounds. Where what it compares is not
  // known to be the index, it would fail although the index was corrected.
  if (is_check && index == first_block_ && is_ud1_ && (pending.origins & kAllButSuspect) == 0 &&
      begins_with(taken_traps ? in.target : last + in.length, Op::Ud2)) {
    uses_.rechecked |= pending.flags != 0 ? pending.flags : kRelated;
  }
  BoundShape shape;
  const uint8_t condition = static_cast<uint8_t>(taken_traps ? in.condition : in.condition ^ 1);
  const bool own = last == edge_.branch;
  const bool known = own && shape_.equal;
  if (known) shape = shape_;
  if (!is_check || !pending.valid || (!known && !bound_shape(pending.compare, condition, shape))) {
    (is_check ? uses_.rechecked : uses_.value) |= pending.origins;
    if (block.taken != kNoBlock) enter(block.taken, tags, changed);
    if (block.passed != kNoBlock) enter(block.passed, tags, changed);
    return;
  }
  const uint16_t pass = taken_traps ? block.passed : block.taken;
  if (pass == kNoBlock) return;
  // clang's -fsanitize=bounds checks twice, one right behind the other: the accesses are guarded by
  // both.
  const bool companion = is_ud1_ && (pending.origins & kCopies) != 0 &&
                         (pending.origins & ~kCopies) == 0 &&
                         begins_with(taken_traps ? in.target : last + in.length, Op::Ud2);
  if (!own && (companion || (quiet && index == first_block_))) {
    uses_.rechecked |= pending.origins;
    // What is checked there and is not the index is that check's matter.
    IndexTags both = tags;
    const ValueId other = pending.ids[shape.index_operand];
    for (unsigned i = 0; i < kMaxPlaces && other != kAnonymous; ++i) {
      const bool is_checked = state.values[i].id == other && state.values[i].bits != 0;
      if (is_checked && (both.of[i].origins & kCopies) == 0) both.of[i].flags |= IndexTag::kSpent;
    }
    return enter(pass, both, changed);
  }
  const ValueId checked = pending.ids[shape.index_operand];
  IndexTags passing = tags;
  // What follows is guarded by this check again, not by the one whose index the tags speak of.
  for (unsigned i = 0; i < kMaxPlaces && own; ++i) passing.of[i].factor = 0;
  for (unsigned i = 0; i < kMaxPlaces && checked != kAnonymous; ++i) {
    if (!is_checked(state.values[i], checked, own)) continue;
    IndexTag& tag = passing.of[i];
    tag.origins &= own ? uint16_t{0} : kCopies;
    tag.flags |= IndexTag::kSpent;
    if (tag.origins == 0) tag = {};
  }
  enter(pass, passing, changed);
}

// The check says of `value` that it is in bounds: it is what was compared or, where the check is
// the own one, a constant away from it.
bool IndexUse::is_checked(const Value& value, ValueId checked, bool own) const noexcept {
  if (value.bits == 0 || value.id == checked) return value.bits != 0;
  if (!own || value.bits < bits_) return false;
  const unsigned link = chain_->find(value.id);
  return link != chain_->count && (chain_->factors[link] == 1 || chain_->factors[link] == -1);
}

bool IndexUse::begins_with(uint64_t address, Op op) const noexcept {
  Instruction in;
  return flow_.code().decode_anywhere(address, in) && in.op == op;
}

bool IndexUse::block(uint16_t index, bool& changed) noexcept {
  const FlowBlock& block = flow_.room().blocks[index];
  IndexTags& in_tags = room_.blocks[index];
  if (block.unknown_entry && room_.exceptional.reached) enter(index, room_.exceptional, changed);
  if (!in_tags.reached || !flow_.room().states[index].reached) return true;
  FlowState state = flow_.room().states[index];
  IndexTags tags = in_tags;
  Pending pending;
  Instruction in;
  FlowEffect effect;
  uint16_t number = block.first_number;
  uint64_t last = block.begin;
  bool quiet = true;
  for (uint64_t at = block.begin; at < block.end; at += in.length) {
    if (!flow_.code().decode(at, in)) return false;
    const FlowState before = state;
    number_ = number;
    flow_.step(in, number++, state, effect);
    instruction(in, at, before, effect, tags, pending);
    if (effect.calls) {
      room_.exceptional.reached = true;
      for (unsigned i = 0; i < kMaxPlaces; ++i) {
        changed |= join(room_.exceptional.of[i], tags.of[i]);
      }
    }
    quiet &= !in.reads_memory && !in.writes_memory && !effect.calls;
    last = at;
  }
  leave(index, last, in, state, pending, tags, quiet, changed);
  return true;
}

// What the index was calculated from addresses memory as well: table[k + 3] as 12(table,k,4).
void IndexUse::seed_chain(const FlowState& at_compare, const IndexChain& chain,
                          IndexTags& tags) noexcept {
  for (unsigned i = 0; i < kMaxPlaces; ++i) {
    const Value& value = at_compare.values[i];
    const unsigned link = value.bits == 0 ? chain.count : chain.find(value.id);
    if (link == chain.count || (tags.of[i].origins & ~kRelated) != 0) continue;
    const int factor = chain.factors[link];
    const int length = factor < 0 ? -factor : factor;
    if (length > UINT8_MAX) continue;
    const int64_t shift = factor < 0 ? int64_t{chain.sums[link]} : -int64_t{chain.sums[link]};
    if (shift > INT32_MAX) continue;
    tags.of[i] = {.origins = kRelated,
                  .factor = static_cast<int16_t>(factor < 0 ? -1 : 1),
                  .flags = IndexTag::kLinear,
                  .divisor = static_cast<uint8_t>(length),
                  .shift = static_cast<int32_t>(shift)};
  }
}

// Executes from behind the compare to the branch, and enters the way on which the check passes.
bool IndexUse::seed(const FlowState& at_compare, const IndexCopies& copies) noexcept {
  const uint16_t index = flow_.block_at(edge_.branch);
  if (index == kNoBlock) return false;
  const FlowBlock& block = flow_.room().blocks[index];
  IndexTags tags;
  for (unsigned i = 0; i < kMaxPlaces; ++i) {
    const Value& value = at_compare.values[i];
    if (value.id == kAnonymous) continue;
    if (flow_.is_related(value.id)) tags.of[i] = {.origins = kRelated, .factor = 1};
    if (flow_.is_unlinear(value.id)) tags.of[i].flags = IndexTag::kUnlinear;
    if (flow_.is_stale(value.id)) tags.of[i] = {.origins = kStale};
    if (flow_.is_suspect(value.id) && tags.of[i].origins == 0) tags.of[i] = {.origins = kSuspect};
  }
  seed_chain(at_compare, copies.chain, tags);
  for (unsigned i = 0; i < copies.count; ++i) {
    tags.of[copies.places[i]] = {.origins = static_cast<uint16_t>(1u << i), .factor = 1};
  }
  FlowState state = at_compare;
  Pending pending;
  Instruction in;
  FlowEffect effect;
  for (uint64_t at = edge_.compare; at != edge_.branch; at += in.length) {
    if (!flow_.code().decode(at, in)) return false;
    const FlowState before = state;
    // Numbers only name what is defined here; the analysis' own were given to these instructions
    // already, in the same order.
    number_ = flow_.number_of(at);
    flow_.step(in, number_, state, effect);
    if (at != edge_.compare) instruction(in, at, before, effect, tags, pending);
  }
  if (!flow_.code().decode(edge_.branch, in) || in.op != Op::Jcc) return false;
  const bool taken_traps = edge_.condition == in.condition;
  const uint16_t pass = taken_traps ? block.passed : block.taken;
  if (pass == kNoBlock) return false;
  bool changed = false;
  first_block_ = pass;
  const uint64_t failed = taken_traps ? in.target : edge_.branch + in.length;
  is_bare_ = begins_with(failed, Op::Ud2) && !flow_.source().evidence.hardening_message;
  is_ud1_ = begins_with(failed, Op::Ud1);
  enter(pass, tags, changed);
  return true;
}

Doubt IndexUse::run(const FlowState& at_compare, const IndexCopies& copies, const IndexAgain& again,
                    IndexUses& uses) noexcept {
  const uint16_t count = flow_.room().block_count;
  for (uint16_t i = 0; i < count; ++i) room_.blocks[i] = {};
  room_.exceptional = {};
  room_.more_forms = false;
  room_.unlinear = false;
  room_.related_access = false;
  room_.form_count = 0;
  room_.more_memory = false;
  room_.related_address = false;
  room_.memory_count = 0;
  room_.displaced_address = false;
  room_.in_step = false;
  room_.more_steps = false;
  room_.beside = false;
  for (uint64_t& word : room_.followed) word = 0;
  uses_ = {};
  bits_ = copies.bits;
  again_ = &again;
  chain_ = &copies.chain;
  if (!seed(at_compare, copies)) return Doubt::CopiesUnknown;
  bool changed = true;
  for (unsigned round = 0; round < kMaxRounds && changed; ++round) {
    changed = false;
    for (uint16_t i = 0; i < count; ++i) {
      if (!block(i, changed)) return Doubt::CodeUnreadable;
    }
  }
  uses = uses_;
  return changed ? Doubt::FunctionTooLarge : Doubt::None;
}

}  // namespace kebound::x86
