// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/check_recovery.h"

#include "trap/x86/check_values.h"
#include "trap/x86/edge_choice.h"
#include "trap/x86/recovery_cache.h"
#include "trap/x86/recovery_lease.h"

namespace kebound::x86 {
namespace {

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

Confidence confidence_of(const CheckSite& site, const EdgeChoice& choice, bool clang) noexcept {
  const Confidence most = static_confidence(site, clang);
  if (choice.doubt == Doubt::None) return most;
  const bool agree = choice.doubt == Doubt::SeveralCandidates && choice.agree;
  return agree && most != Confidence::Unknown ? Confidence::Likely : Confidence::Unknown;
}

// As Corrections has them.
uint32_t corrected_places(const CheckSite& check) noexcept {
  uint32_t places = 0;
  for (unsigned i = 0; i < check.place_count; ++i) {
    const StaticPlace& place = check.places[i];
    places |= place.in_memory ? Corrections::kMemory : register_bit(place.reg);
  }
  return places;
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
    const bool is_bounds = meaning.is_bounds || recovered || is_check_;
    if (!is_bounds) return false;
    if (!meaning.is_bounds) event_.check = CheckKind::ArrayBounds;
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
    if (!only && !choice.agree) {
      // Only where every way to the trap is known: another one may be no check at all.
      is_check_ = (*site_).doubt == Doubt::None && choice.doubt == Doubt::SeveralCandidates &&
                  all_left(choice, false);
      return unknown(is_check_ ? Doubt::SeveralCandidates : choice.doubt);
    }

    if (!only && !all_left(choice, true)) return unknown(choice.doubt);
    check_.reset();

    Instruction compare;
    if (!decode_instruction(edge.bytes, sizeof edge.bytes, edge.compare, source_.mode, compare)) {
      return unknown(Doubt::NoCompare);
    }
    if (only) {
      event_.ip = edge.compare;
      event_.instruction_length = compare.length;
    }
    const bool clang = event_.source == BoundSource::ClangTrap;
    // libc++ is clang's library: its checks are optimized like code.
    const bool folds = clang || event_.source == BoundSource::LibcxxHardening;
    BoundShape shape;
    if (!bound_shape(compare, edge.condition, shape) &&
        !(folds && equal_shape(compare, edge.condition, shape))) {
      return unknown(Doubt::NotABoundsCheck);
    }
    if (!find_check(edge, shape)) return false;
    const CheckSite& check = *check_;
    changed_ = !is_still_there(check);
    if (changed_) return false;
    const Confidence confidence = confidence_of(check, choice, folds);
    if (confidence == Confidence::Unknown) {
      // Of what number, the compiler has changed.
      is_check_ = only && is_bounds_check(check, folds);
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

  // One trap for several checks, and more than one may have failed: it is a failed check all the
  // same where each of them is one by its proof. `of_index`: and compares the index.
  bool all_left(const EdgeChoice& choice, bool of_index) noexcept {
    const bool folds = event_.source != BoundSource::CheckTrap;
    for (unsigned i = 0; i < choice.left_count; ++i) {
      const TrapEdge& edge = (*site_).edges[choice.left[i]];
      Instruction compare;
      BoundShape shape;
      if (edge.compare == 0 || !is_still_there(edge) ||
          !decode_instruction(edge.bytes, sizeof edge.bytes, edge.compare, source_.mode, compare) ||
          !(bound_shape(compare, edge.condition, shape) ||
            (of_index && folds && equal_shape(compare, edge.condition, shape)))) {
        return false;
      }
      check_.reset();
      if (!find_check(edge, shape) || !is_still_there(*check_)) return false;
      if (of_index ? static_confidence(*check_, folds) == Confidence::Unknown
                   : !is_bounds_check(*check_, folds)) {
        return false;
      }
    }
    return choice.left_count != 0;
  }

  void choose(EdgeChoice& choice) noexcept {
    RecoveryRoom* room = (*site_).edge_count > 1 ? lease_.get() : nullptr;
    choose_edge(*site_, source_, registers_, cache_.corrections,
                room != nullptr ? &room->code : nullptr, choice);
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
      cache_.corrections.note(check.branch, corrected_places(check));
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
  bool is_check_ = false;  // of an index that is not known
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
