// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/check_recovery.h"

#include "trap/x86/edge_choice.h"
#include "trap/x86/recovery_cache.h"

namespace kebound::x86 {
namespace {

// A room that is taken when it is first needed.
class RoomLease {
 public:
  explicit RoomLease(RecoveryCache& cache) noexcept : cache_(cache) {}
  RoomLease(const RoomLease&) = delete;
  RoomLease& operator=(const RoomLease&) = delete;
  ~RoomLease() {
    if (room_ != nullptr) RecoveryCache::give_back(*room_);
  }
  [[nodiscard]] RecoveryRoom* get() noexcept {
    if (room_ == nullptr) room_ = cache_.take_room();
    return room_;
  }

 private:
  RecoveryCache& cache_;
  RecoveryRoom* room_ = nullptr;
};

// A value of the cache that is read: made on first use, in the room if no slot is free.
template <class T>
class Cached {
 public:
  Cached() noexcept = default;
  Cached(const Cached&) = delete;
  Cached& operator=(const Cached&) = delete;
  ~Cached() { reset(); }

  void reset() noexcept {
    if (slot_ != nullptr) slot_->release();
    slot_ = nullptr;
    value_ = nullptr;
  }

  template <class Table>
  [[nodiscard]] bool find(Table& table, uint64_t key) noexcept {
    for (size_t way = 0; way < Table::kWays; ++way) {
      slot_ = table.slot(key, way);
      value_ = slot_->acquire(key);
      if (value_ != nullptr) return true;
    }
    slot_ = nullptr;
    return false;
  }
  // `make` fills a value.
  template <class Table, class Make>
  void make(Table& table, uint64_t key, T& spare, Make make) noexcept {
    make(spare);
    value_ = &spare;
    for (size_t way = 0; way < Table::kWays; ++way) {
      CacheSlot<T>* slot = table.slot(key, way);
      T* value = slot->claim();
      if (value == nullptr) continue;
      *value = spare;
      slot->publish(key);
      slot_ = slot;
      value_ = value;
      return;
    }
  }
  [[nodiscard]] const T& operator*() const noexcept { return *value_; }

 private:
  CacheSlot<T>* slot_ = nullptr;
  const T* value_ = nullptr;
};

// What the trap instruction says by itself.
struct TrapMeaning {
  BoundSource source = BoundSource::CheckTrap;
  CheckKind check = CheckKind::Unknown;
  bool is_bounds = false;  // a failed bounds check whatever the code around it looks like
  bool has_index = true;   // of an index, so far as it is one of bounds
};

bool meaning_of(const CompilerTrap& trap, const TrapEvidence& evidence,
                TrapMeaning& meaning) noexcept {
  meaning = {};
  if (evidence.hardening_message) {
    meaning = {BoundSource::LibcxxHardening, CheckKind::Assertion, true, true};
    return true;
  }
  if (trap.kind == CompilerTrapKind::Ud2) return true;
  meaning.source = BoundSource::ClangTrap;
  if (evidence.unique_traps) return true;
  switch (trap.check) {
    case kUbsanOutOfBounds:
      meaning = {BoundSource::ClangTrap, CheckKind::ArrayBounds, true, true};
      return true;
    case kUbsanPointerOverflow:
      meaning = {BoundSource::ClangTrap, CheckKind::PointerOverflow, true, false};
      return true;
    case kUbsanTypeMismatch:
      meaning = {BoundSource::ClangTrap, CheckKind::ObjectSize, true, false};
      return true;
    default:
      return false;
  }
}

// A place of the index, as the registers are.
Operand operand_of(const StaticPlace& place, CodeMode mode) noexcept {
  Operand operand;
  operand.bits = place.bits;
  operand.reg = place.reg;
  operand.kind = OperandKind::Register;
  if (!place.in_memory) return operand;
  operand.kind = OperandKind::Memory;
  operand.bits = static_cast<uint8_t>(place.size * 8);
  operand.reg = kNoRegister;
  operand.base = place.reg;
  operand.address_bits = mode == CodeMode::Bits64 ? 64 : 32;
  operand.displacement = place.displacement;
  return operand;
}

// The index where the compare had a multiple of it.
bool fill_quotient(const Instruction& compare, const CheckSite& site, const CompareResult& result,
                   const RecoverySource& source, const Registers& registers,
                   BoundEvent& event) noexcept {
  const Operand place = operand_of(site.quotient, source.mode);
  uint64_t held = 0;
  if (!operand_value(place, registers, source.mode, source.memory, held)) return false;
  const uint64_t product = held * site.divisor & width_mask(compare.operands[0].bits);
  if (product != result.values[site.shape.index_operand]) return false;
  event.index_width = place.bits;
  event.index_raw = held;
  event.index = sign_extend(held, place.bits);
  event.upper = event.upper < 0 ? -1 : event.upper / site.divisor;
  event.index_register = 0;
  event.index_address = 0;
  if (site.quotient.in_memory) {
    event.index_address = operand_address(place, registers, source.mode);
  } else {
    event.index_register = place.reg;
  }
  return true;
}

// Index and limits, as the compare had them.
bool fill_values(const Instruction& compare, const CheckSite& site, const CompareResult& result,
                 const RecoverySource& source, const Registers& registers, bool clang,
                 BoundEvent& event) noexcept {
  const BoundShape& shape = site.shape;
  const unsigned bits = compare.operands[0].bits;
  const Operand& index = compare.operands[shape.index_operand];
  event.index_width = site.index_bits;
  event.index_raw = result.values[shape.index_operand];
  event.index = sign_extend(event.index_raw, site.index_bits);
  event.lower = 0;
  if (site.index_bits < 32 && site.read_unsigned && !clang) {
    event.index_width = 32;  // which makes it positive
    event.index = static_cast<int64_t>(event.index_raw);
  }
  uint64_t greatest = shape.greatest;
  if (shape.limit == BoundShape::Limit::Operand) {
    const uint64_t limit = result.values[shape.limit_operand];
    if (limit == 0 && !shape.limit_allowed) {
      event.upper = -1;  // nothing would pass
    } else {
      greatest = shape.limit_allowed ? limit : limit - 1;
      if (bits == 64 && greatest > INT64_MAX) return false;
      event.upper = static_cast<int64_t>(greatest);
    }
  } else {
    event.upper = static_cast<int64_t>(greatest);
  }
  if (index.kind == OperandKind::Register) {
    event.index_register = index.reg;
  } else {
    event.index_address = operand_address(index, registers, source.mode);
  }
  return site.divisor == 1 || fill_quotient(compare, site, result, source, registers, event);
}

Confidence confidence_of(const CheckSite& site, const EdgeChoice& choice, bool clang) noexcept {
  const Confidence most = static_confidence(site, clang);
  if (choice.doubt == Doubt::None) return most;
  const bool agree = choice.doubt == Doubt::SeveralCandidates && choice.agree;
  return agree && most != Confidence::Unknown ? Confidence::Likely : Confidence::Unknown;
}

IndexPlace::Extension extension_of(const StaticPlace& place, uint64_t held,
                                   unsigned native) noexcept {
  if (place.bits >= native) return IndexPlace::Extension::None;
  switch (place.rest) {
    case Rest::Zero:
      return IndexPlace::Extension::Zero;
    case Rest::Sign:
    case Rest::SignTo32:
      return IndexPlace::Extension::Sign;
    case Rest::Unrelated:
      break;
  }
  const uint64_t mask = width_mask(native);
  if (static_cast<uint64_t>(sign_extend(held, place.bits)) == held) {
    return IndexPlace::Extension::Sign;
  }
  return (held & width_mask(place.bits)) == (held & mask) ? IndexPlace::Extension::Zero
                                                          : IndexPlace::Extension::None;
}

// Where the index is, with these registers. False if a place does not hold it.
bool fill_places(const CheckSite& site, const RecoverySource& source, const Registers& registers,
                 const BoundEvent& event, Recovery& recovery) noexcept {
  const unsigned native = source.mode == CodeMode::Bits64 ? 64 : 32;
  recovery.place_count = 0;
  for (unsigned i = 0; i < site.place_count; ++i) {
    const StaticPlace& known = site.places[i];
    IndexPlace& place = recovery.places[recovery.place_count++];
    place = {};
    place.reg = known.reg;
    place.width = known.bits;
    uint64_t held = 0;
    if (known.in_memory) {
      place.kind = IndexPlace::Kind::Memory;
      place.reg = 0;
      place.width = static_cast<uint8_t>(known.size * 8);
      const Operand memory = operand_of(known, source.mode);
      place.address = operand_address(memory, registers, source.mode);
      if (!operand_value(memory, registers, source.mode, source.memory, held)) return false;
      if (extension_of(known, held, memory.bits) == IndexPlace::Extension::None) {
        place.width = known.bits;  // the rest of it is something else
      }
    } else {
      held = registers.gpr[known.reg & 15];
      place.extension = extension_of(known, held, native);
      if (known.rest == Rest::SignTo32 && native == 64) {
        place.width = 32;
        place.extension = IndexPlace::Extension::Zero;
      }
    }
    const unsigned common = known.bits < event.index_width ? known.bits : event.index_width;
    if (((held ^ event.index_raw) & width_mask(common)) != 0) return false;
  }
  return true;
}

// A 32-bit thread's registers may come with anything in their upper halves.
Registers truncated(const Registers& registers, CodeMode mode) noexcept {
  Registers copy = registers;
  if (mode == CodeMode::Bits32) {
    for (uint64_t& value : copy.gpr) value &= width_mask(32);
  }
  return copy;
}

class Recoverer {
 public:
  Recoverer(const RecoverySource& source, const Registers& registers, RecoveryCache& cache,
            BoundEvent& event, Recovery& recovery) noexcept
      : source_(source),
        registers_(truncated(registers, source.mode)),
        cache_(cache),
        lease_(cache),
        event_(event),
        recovery_(recovery) {}

  bool run() noexcept {
    event_ = {};
    recovery_ = {};
    uint8_t bytes[8];
    const uint64_t ip = registers_.rip;
    const size_t readable = source_.memory.read_some(source_.memory.self, ip, bytes, sizeof bytes);
    CompilerTrap trap;
    if (!decode_compiler_trap(bytes, readable, trap)) return not_one(Doubt::CodeUnreadable);
    TrapMeaning meaning;
    if (!meaning_of(trap, source_.evidence, meaning)) return not_one(Doubt::NotABoundsCheck);
    event_.source = meaning.source;
    event_.check = meaning.check;
    event_.ip = event_.trap_ip = ip;
    event_.instruction_length = trap.length;
    event_.resumable = false;
    const bool recovered = meaning.has_index && recover(ip);
    if (!meaning.has_index) event_.doubt = Doubt::NotABoundsCheck;
    if (!recovered && !meaning.is_bounds) return false;
    if (recovered && !meaning.is_bounds) event_.check = CheckKind::ArrayBounds;
    if (!recovered && source_.evidence.unique_traps) event_.doubt = Doubt::UniqueTraps;
    recovery_.resume_ip = event_.ip;
    return true;
  }

 private:
  bool not_one(Doubt doubt) noexcept {
    event_.doubt = doubt;
    return false;
  }
  bool unknown(Doubt doubt) noexcept {
    event_.confidence = Confidence::Unknown;
    event_.doubt = doubt;
    return false;
  }

  // The code may be another one by now: an image that was unloaded, a compiler at run time.
  [[nodiscard]] bool is_still_there(const TrapEdge& edge) const noexcept {
    uint8_t now[kMaxInstructionLength];
    const size_t size =
        source_.memory.read_some(source_.memory.self, edge.compare, now, edge.length);
    bool same = size == edge.length;
    for (size_t i = 0; i < size; ++i) same &= now[i] == edge.bytes[i];
    return same;
  }
  [[nodiscard]] bool is_still_there(const CheckSite& check) const noexcept {
    uint8_t now[kMaxFingerprint];
    const size_t size = check.fingerprint_size;
    return source_.memory.read(check.fingerprint_begin, now, size) &&
           fingerprint(now, size) == check.fingerprint;
  }

  // What is cached about the code as it was; the analysis starts again.
  void forget(const TrapSite& site) noexcept {
    CodeRange ranges[kMaxEdges];
    const unsigned count = site.edge_count;
    for (unsigned i = 0; i < count; ++i) {
      ranges[i] = {site.edges[i].branch, site.edges[i].branch + 1};
    }
    const uint64_t ip = site.trap_ip;
    site_.reset();
    check_.reset();
    for (unsigned i = 0; i < count; ++i) cache_.checks.forget(ranges[i]);
    cache_.traps.forget({ip, ip + 1});
  }

  bool recover(uint64_t ip) noexcept {
    for (unsigned attempt = 0; attempt < 2; ++attempt) {
      changed_ = false;
      const bool found = try_recover(ip);
      if (!changed_) return found;
      forget(*site_);
    }
    return unknown(Doubt::CodeUnreadable);
  }

  bool find_site(uint64_t ip) noexcept {
    if (site_.find(cache_.traps, ip)) return true;
    RecoveryRoom* room = lease_.get();
    if (room == nullptr) return unknown(Doubt::Busy);
    site_.make(cache_.traps, ip, room->site, [&](TrapSite& site) {
      TrapEntries entries;
      find_trap_edges(ip, source_, room->code, entries, site);
    });
    return true;
  }

  bool find_check(const TrapEdge& edge, const BoundShape& shape) noexcept {
    if (check_.find(cache_.checks, edge.branch)) return true;
    RecoveryRoom* room = lease_.get();
    if (room == nullptr) return unknown(Doubt::Busy);
    if (!room->code.contains(edge.branch) && !load_function(edge.branch, source_, room->code)) {
      return unknown(Doubt::CodeUnreadable);
    }
    check_.make(cache_.checks, edge.branch, room->check_site, [&](CheckSite& site) {
      analyze_check(edge, shape, room->code, source_, room->check, site);
    });
    return true;
  }

  // True if the trap's branch is a bounds check's, with index and limits.
  bool try_recover(uint64_t ip) noexcept {
    if (!find_site(ip)) return false;
    EdgeChoice choice;
    choose(choice);
    if (!choice.found) {
      for (unsigned i = 0; i < (*site_).edge_count; ++i) {
        changed_ |= !is_still_there((*site_).edges[i]);
      }
      return unknown(choice.doubt);
    }
    const TrapEdge& edge = (*site_).edges[choice.edge];
    changed_ = !is_still_there(edge);
    if (changed_) return false;
    const bool only = choice.doubt == Doubt::None;
    if (!only && !choice.agree) return unknown(choice.doubt);

    Instruction compare;
    if (!decode_instruction(edge.bytes, sizeof edge.bytes, edge.compare, source_.mode, compare)) {
      return unknown(Doubt::NoCompare);
    }
    if (only) {
      event_.ip = edge.compare;
      event_.instruction_length = compare.length;
    }
    BoundShape shape;
    if (!bound_shape(compare, edge.condition, shape)) return unknown(Doubt::NotABoundsCheck);
    if (!find_check(edge, shape)) return false;
    const CheckSite& check = *check_;
    changed_ = !is_still_there(check);
    if (changed_) return false;
    const bool clang = event_.source == BoundSource::ClangTrap;
    const Confidence confidence = confidence_of(check, choice, clang);
    if (confidence == Confidence::Unknown) {
      return unknown(static_doubt(check));
    }
    if (!fill_values(compare, check, choice.result, source_, registers_, clang, event_)) {
      return unknown(Doubt::NotABoundsCheck);
    }
    event_.confidence = confidence;
    // Where clang merges checks, all of their compares have the line of the first one.
    const bool line_of_another = clang ? edge.chained : check.divisor != 1;
    if (only && line_of_another && (*site_).edge_count > 1) event_.line_ip = check.access;
    decide_resumption(check, choice);
    return true;
  }

  void choose(EdgeChoice& choice) noexcept {
    RecoveryRoom* room = (*site_).edge_count > 1 ? lease_.get() : nullptr;
    choose_edge(*site_, source_, registers_, room != nullptr ? &room->code : nullptr, choice);
  }

  void decide_resumption(const CheckSite& check, const EdgeChoice& choice) noexcept {
    event_.resumable = false;
    if (choice.doubt != Doubt::None) {
      event_.doubt = choice.doubt;
    } else if (check.resume_doubt != Doubt::None) {
      event_.doubt = check.resume_doubt;
    } else if (event_.upper < event_.lower) {
      event_.doubt = Doubt::NotRepeatable;
    } else if (!fill_places(check, source_, registers_, event_, recovery_)) {
      event_.doubt = Doubt::CopiesUnknown;
      recovery_.place_count = 0;
    } else {
      event_.resumable = true;
    }
  }

  const RecoverySource& source_;
  const Registers registers_;
  RecoveryCache& cache_;
  RoomLease lease_;
  BoundEvent& event_;
  Recovery& recovery_;
  Cached<TrapSite> site_;
  Cached<CheckSite> check_;
  bool changed_ = false;
};

}  // namespace

bool recover_check(const RecoverySource& source, const Registers& registers, RecoveryCache& cache,
                   BoundEvent& event, Recovery& recovery) noexcept {
  return Recoverer(source, registers, cache, event, recovery).run();
}

void forget_code(RecoveryCache& cache, CodeRange range) noexcept {
  cache.traps.forget(range);
  cache.checks.forget(range);
}

}  // namespace kebound::x86
