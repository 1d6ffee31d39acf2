// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "hosts/inproc/system.h"
#include "include/kebound/kebound.h"

namespace kebound::inproc {

// The one registry of the process.
extern Registry g_registry;
[[nodiscard]] inline Registry& registry() noexcept { return g_registry; }

struct Settings {
  kebound_profile profile = KEBOUND_PROFILE_DEFAULT;
  uint64_t livelock_limit = KEBOUND_LIVELOCK_DEFAULT;
};
// Constant once started.
extern Settings g_settings;
[[nodiscard]] inline const Settings& settings() noexcept { return g_settings; }

// kebound_init(). Context: not in a signal handler; once it has returned OK or ALREADY, anywhere.
[[nodiscard]] kebound_status start(const kebound_options* options) noexcept;

// Registers a callback, or, with the marker as context, a routine of NT's type. Context: as
// kebound_register().
[[nodiscard]] Handle add_callback(void* routine, void* context, void* call_site) noexcept;
extern const char kNtRoutine;  // the marker

// kebound_deregister(), with what the verifier has to say reported.
[[nodiscard]] kebound_status remove_callback(Handle handle) noexcept;

// The routine of the callback that the calling thread is inside, 0 if none. Context: anywhere.
[[nodiscard]] uint64_t routine_inside() noexcept;

// Registrations whose routine lies in the image that is about to be unmapped: reported, removed and
// waited for; in the windows profile a bug check. Context: not in a signal handler.
void forget_image(uint64_t address_within) noexcept;

// Gives the calling thread an alternate signal stack with a guard page, unless it has one. It is
// freed when the thread ends. False when there is no memory. Context: not in a signal handler.
bool ensure_alternate_stack() noexcept;

}  // namespace kebound::inproc
