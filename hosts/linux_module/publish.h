// SPDX-License-Identifier: Apache-2.0
//
// From what happened to records for /dev/kebound. Nothing is made where nobody reads.
#pragma once

#include <stddef.h>

#include "include/kebound/abi.h"
#include "trap/bound_event.h"
#include "trap/x86/registers.h"

namespace kebound::linux_module {

// The two parts of an event, one behind the other in BoundEvent.
inline constexpr size_t kKinds = offsetof(kebound_event, reserved) - offsetof(kebound_event, source);
inline constexpr size_t kNumbers = sizeof(kebound_event) - offsetof(kebound_event, ip);
static_assert(sizeof(BoundEvent) == kKinds + kNumbers && offsetof(BoundEvent, source) == 0 &&
              offsetof(BoundEvent, ip) == kKinds);
// And in the same order.
static_assert(offsetof(BoundEvent, doubt) == offsetof(kebound_event, doubt) - 4 &&
              offsetof(BoundEvent, resumable) == offsetof(kebound_event, resumable) - 4 &&
              offsetof(BoundEvent, check) == offsetof(kebound_event, check) - 4 &&
              offsetof(BoundEvent, index_width) == offsetof(kebound_event, index_width) - 4 &&
              offsetof(BoundEvent, upper) == offsetof(kebound_event, upper) - 8 &&
              offsetof(BoundEvent, bounds_address) == offsetof(kebound_event, bounds_address) - 8 &&
              offsetof(BoundEvent, trap_ip) == offsetof(kebound_event, trap_ip) - 8 &&
              offsetof(BoundEvent, index_raw) == offsetof(kebound_event, index_raw) - 8 &&
              offsetof(BoundEvent, index_address) == offsetof(kebound_event, index_address) - 8 &&
              offsetof(BoundEvent, line_ip) == offsetof(kebound_event, line_ip) - 8);

inline void fill_abi_event(const BoundEvent& from, kebound_event& to) noexcept {
  to.size = sizeof to;
  __builtin_memcpy(&to.source, &from.source, kKinds);
  __builtin_memset(to.reserved, 0, sizeof to.reserved);
  __builtin_memcpy(&to.ip, &from.ip, kNumbers);
}

// An event that callbacks are shown where it lies: in place, the ABI's differs from it by eight bytes.
class ShownEvent {
 public:
  ShownEvent() noexcept {}  // whoever classifies fills it
  [[nodiscard]] BoundEvent& event() noexcept { return bytes_.own.event; }
  [[nodiscard]] const BoundEvent& event() const noexcept { return bytes_.own.event; }

  // While it is there, the event is the ABI's, and event() has no meaning.
  class View {
   public:
    explicit View(ShownEvent& shown) noexcept : shown_(shown) {
      __builtin_memcpy(&kinds_, &shown.event(), kKinds);
      kebound_event& abi = shown.bytes_.abi;
      abi.size = sizeof abi;
      __builtin_memcpy(&abi.source, &kinds_, kKinds);
      __builtin_memset(abi.reserved, 0, sizeof abi.reserved);
    }
    View(const View&) = delete;
    View& operator=(const View&) = delete;
    ~View() { __builtin_memcpy(&shown_.bytes_.own.event.source, &kinds_, kKinds); }
    [[nodiscard]] const kebound_event& abi() const noexcept { return shown_.bytes_.abi; }

   private:
    ShownEvent& shown_;
    uint64_t kinds_;
  };

 private:
  struct Own {
    uint64_t room;
    BoundEvent event;
  };
  static_assert(kKinds == sizeof(uint64_t) && sizeof(Own) == sizeof(kebound_event) &&
                offsetof(Own, event) + offsetof(BoundEvent, ip) == offsetof(kebound_event, ip));
  union Bytes {
    Own own;
    kebound_event abi;
    Bytes() noexcept {}
  } bytes_;
};

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
