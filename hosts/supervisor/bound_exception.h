// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "events/trap_messages.h"
#include "hosts/supervisor/bound_stop.h"
#include "hosts/supervisor/tracee.h"

namespace kebound::supervisor {

// Whether the thread, which stopped because stop.signal is about to be delivered, has taken a bound
// exception; then the event, the way back to the check and the registers as callbacks see them are
// filled. `messages`: may be null. Context: the tracing thread.
[[nodiscard]] bool is_bound_exception(Tracee& tracee, events::TrapMessages* messages,
                                      BoundStop& stop);

}  // namespace kebound::supervisor
