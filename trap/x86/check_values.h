// SPDX-License-Identifier: Apache-2.0
//
// Index, limits and places of a failed check, from what the code says and the registers hold.
// Freestanding.
#pragma once

#include "trap/x86/check_recovery.h"
#include "trap/x86/check_site.h"

namespace kebound::x86 {

// Index and limits, as the compare had them. False if they are not known.
[[nodiscard]] bool fill_values(const Instruction& compare, const CheckSite& site,
                               const CompareResult& result, const RecoverySource& source,
                               const Registers& registers, bool clang, BoundEvent& event) noexcept;

// Where the index is, with these registers. False if a place does not hold it.
[[nodiscard]] bool fill_places(const CheckSite& site, const RecoverySource& source,
                               const Registers& registers, const BoundEvent& event,
                               Recovery& recovery) noexcept;

// A 32-bit thread's registers may come with anything in their upper halves.
[[nodiscard]] Registers truncated(const Registers& registers, CodeMode mode) noexcept;

}  // namespace kebound::x86
