// SPDX-License-Identifier: Apache-2.0
//
// Callbacks of modules that are no NT drivers (kebound_module.h). The atomic ones have a registry of
// their own, asked in the trap, before all others; the sleepable ones share the NT face's.
#pragma once

#include "core/registry.h"
#include "hosts/linux_module/threads.h"

namespace kebound::linux_module {

extern constinit Registry g_atomic;
[[nodiscard]] inline bool atomic_callbacks_exist() noexcept { return !g_atomic.empty(); }

// The registers of a trap can be had again: those that callbacks are shown are theirs to edit, and
// nobody keeps a copy on the way of each exception.
struct Trapped {
  const void* trap;
  uint64_t fs_base;  // as far as the check used them: the kernel does not keep them with the rest
  uint64_t gs_base;

  void read(x86::Registers& registers) const noexcept;
};

// Asks the atomic callbacks about `registers`. Handled: they are as the callback left them, of which
// its edits count (keep_native_edits()); otherwise as they were. Context: trap.
[[nodiscard]] DispatchOutcome ask_atomic(const BoundEvent& event, const Trapped& trapped,
                                         x86::Registers& registers) noexcept;

// Of what a native callback left in `edited`, what it may edit; the rest is as before.
void keep_native_edits(const x86::Registers& before, x86::Registers& edited) noexcept;

// Its answer was none: a bug check. It is not asked again; the rest is for its module to remove.
void disable_atomic(const DispatchOutcome& outcome, uint64_t ip) noexcept;

// One context for each processor. False: no memory.
[[nodiscard]] bool start_native() noexcept;
void stop_native() noexcept;

// CONTRACT, Driver life, for the atomic ones of an image.
void remove_atomic_callbacks_of(const nt::Image& image);
// A bug check removed the registration.
void mark_native_removed(Handle handle) noexcept;
// The sleepable ones of an image that has gone, which were removed as the NT face's are.
void forget_native_callbacks_of(const nt::Image* gone) noexcept;

}  // namespace kebound::linux_module
