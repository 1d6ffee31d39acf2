// SPDX-License-Identifier: Apache-2.0
//
// Callbacks of modules that are no NT drivers (kebound_module.h). The atomic ones have a registry of
// their own, asked in the trap, before all others; the sleepable ones share the NT face's.
#pragma once

#include "core/registry.h"
#include "hosts/linux_module/threads.h"

namespace kebound::linux_module {

[[nodiscard]] bool atomic_callbacks_exist() noexcept;

// Asks the atomic callbacks; `wanted` is filled only where the verdict is Handled. Context: trap.
[[nodiscard]] DispatchOutcome ask_atomic(const BoundEvent& event, const x86::Registers& registers,
                                         x86::Registers& wanted) noexcept;

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
