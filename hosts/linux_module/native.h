// SPDX-License-Identifier: Apache-2.0
//
// Callbacks of modules that are no NT drivers (kebound_module.h). The atomic ones have a registry of
// their own (in_trap.h); the sleepable ones share the NT face's.
#pragma once

#include "core/registry.h"
#include "hosts/linux_module/kebound_module.h"
#include "hosts/linux_module/publish.h"
#include "hosts/linux_module/threads.h"

namespace kebound::linux_module {

// What a native callback is beside its registration, which has no room for it. Written before the
// registration exists for the atomic ones, whose context is the entry's address.
struct Native {
  Atomic<Handle> handle{};  // of the registration it belongs to; 0: free; kBeingMade
  bool atomic = false;
  kebound_module_callback callback = nullptr;
  void* context = nullptr;
  const nt::Image* image = nullptr;
  Atomic<uint32_t> disabled{};  // answered what is no answer: not asked any more
  Atomic<uint32_t> removed{};   // by a bug check
};

// The callback edits `registers` in place; what of it counts is for the caller.
[[nodiscard]] inline RawAnswer call_native(const Native& native, const kebound_event& event,
                                           x86::Registers& registers) {
  if (native.disabled.load(MemoryOrder::Relaxed) != 0) return kAnswerContinueSearch;
  return native.callback(native.context, &event, &abi_view(registers));
}

// Of what a native callback left in `edited`, what it may edit; the rest is as before.
void keep_native_edits(const x86::Registers& before, x86::Registers& edited) noexcept;

// CONTRACT, Driver life, for the atomic ones of an image.
void remove_atomic_callbacks_of(const nt::Image& image);
// A bug check removed the registration.
void mark_native_removed(Handle handle) noexcept;
// The sleepable ones of an image that has gone, which were removed as the NT face's are.
void forget_native_callbacks_of(const nt::Image* gone) noexcept;

}  // namespace kebound::linux_module
