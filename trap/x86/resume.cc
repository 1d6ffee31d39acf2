// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/resume.h"

namespace kebound::x86 {
namespace {

constexpr uint64_t mask_of(unsigned bits) noexcept {
  return bits >= 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
}

int64_t sign_extended(uint64_t value, unsigned bits) noexcept {
  if (bits == 0 || bits >= 64) return static_cast<int64_t>(value);
  const unsigned unused = 64 - bits;
  return static_cast<int64_t>(value << unused) >> unused;
}

uint64_t merged(uint64_t before, int64_t index, const IndexPlace& place) noexcept {
  const uint64_t value = static_cast<uint64_t>(index) + static_cast<uint64_t>(place.addend);
  const uint64_t mask = mask_of(place.width);
  switch (place.extension) {
    case IndexPlace::Extension::Zero:
      return value & mask;
    case IndexPlace::Extension::Sign:
      return static_cast<uint64_t>(sign_extended(value & mask, place.width));
    case IndexPlace::Extension::None:
      break;
  }
  return (before & ~mask) | (value & mask);
}

// The index as the callback wants it; false if it has not touched it.
bool corrected_index(const BoundEvent& event, const Registers& seen, const int64_t* corrected,
                     const Registers& after, int64_t& index) noexcept {
  if (corrected != nullptr) {
    index = *corrected;
    return true;
  }
  if (event.index_address != 0 || event.index_width == 0) return false;
  const uint64_t mask = mask_of(event.index_width);
  const uint64_t value = after.gpr[event.index_register & 15] & mask;
  if (value == (seen.gpr[event.index_register & 15] & mask)) return false;
  // Back from what the register holds to the index: they differ where the check was on index + k.
  const uint64_t held = seen.gpr[event.index_register & 15] & mask;
  index = sign_extended((value - held + event.index_raw) & mask, event.index_width);
  return true;
}

}  // namespace

const char* resumption_text(Resumption resumption) noexcept {
  switch (resumption) {
    case Resumption::Resume:
      return "";
    case Resumption::NotResumable:
      return "the check cannot be executed again";
    case Resumption::NoPlace:
      return "the check was given a copy of the index only";
    case Resumption::BehindTrap:
      return "there is no code to go on with behind a compiler's trap";
  }
  return "";
}

ResumePlan plan_resumption(const BoundEvent& event, const Recovery& recovery, const Registers& seen,
                           const int64_t* corrected, Registers& after) noexcept {
  ResumePlan plan;
  if (event.source == BoundSource::X86Bound || event.source == BoundSource::X86Mpx) return plan;
  // Up to the end of the longest trap instruction: ud1 with its prefix and ModRM has five bytes.
  constexpr uint64_t kTrapLength = 5;
  if (after.rip - event.trap_ip <= kTrapLength && after.rip != event.ip &&
      !(event.resumable && after.rip == recovery.resume_ip)) {
    plan.verdict = Resumption::BehindTrap;
    return plan;
  }
  if (after.rip != event.ip) return plan;
  if (!event.resumable) {
    plan.verdict = Resumption::NotResumable;
    return plan;
  }
  if (corrected != nullptr && recovery.place_count == 0) {
    plan.verdict = Resumption::NoPlace;
    return plan;
  }
  after.rip = recovery.resume_ip;
  int64_t index = 0;
  if (!corrected_index(event, seen, corrected, after, index)) return plan;
  for (size_t i = 0; i < recovery.place_count && i < kMaxIndexPlaces; ++i) {
    const IndexPlace& place = recovery.places[i];
    if (place.kind == IndexPlace::Kind::Register) {
      uint64_t& reg = after.gpr[place.reg & 15];
      reg = merged(reg, index, place);
    } else {
      const uint64_t value = merged(0, index, place);
      plan.writes[plan.write_count++] = {place.address, value,
                                         static_cast<uint8_t>(place.width / 8)};
    }
  }
  return plan;
}

}  // namespace kebound::x86
