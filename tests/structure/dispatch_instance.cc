// SPDX-License-Identifier: Apache-2.0
//
// What a kernel host would compile: dispatch with an asker, and the facility in static storage.
#include "core/livelock.h"
#include "core/registry.h"

namespace kebound::structure {

constinit Registry registry;
constinit DispatchContext contexts[2];

using Routine = RawAnswer (*)();

DispatchOutcome dispatch(DispatchContext& context) {
  return registry.dispatch(context, [](const Registration& registration) {
    return reinterpret_cast<Routine>(registration.routine)();
  });
}

}  // namespace kebound::structure
