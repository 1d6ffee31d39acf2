// SPDX-License-Identifier: Apache-2.0
//
// From what happened to records for /dev/kebound. Nothing is made where nobody reads.
#pragma once

#include "include/kebound/abi.h"
#include "trap/bound_event.h"
#include "trap/x86/registers.h"

namespace kebound::linux_module {

void fill_abi_event(const BoundEvent& from, kebound_event& to) noexcept;
[[nodiscard]] inline kebound_registers& abi_view(x86::Registers& registers) noexcept {
  return reinterpret_cast<kebound_registers&>(registers);
}
void fill_abi_registers(const x86::Registers& from, kebound_registers& to) noexcept;

// How one exception of the running task ended.
struct Ending {
  unsigned disposition = KEBOUND_DISPOSITION_PROPAGATED;
  uint32_t asked = 0;        // callbacks
  void* decided_by = nullptr;
  uint32_t answer = 0;       // of it
  const char* reason = "";
};

// `may_sleep`: false in the trap. Context: as it says.
void publish_exception(const BoundEvent& event, const x86::Registers& before,
                       const x86::Registers& after, const Ending& ending, bool may_sleep) noexcept;
// Context: trap.
void publish_bug_check(uint32_t code, const uint64_t (&parameters)[4], uint64_t routine,
                       const char* explanation) noexcept;
void publish_violation(const char* rule, const char* message) noexcept;

}  // namespace kebound::linux_module
