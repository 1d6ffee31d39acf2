// SPDX-License-Identifier: Apache-2.0
//
// Must not compile under clang's thread-safety analysis.
#include "core/registry.h"

namespace kebound::structure {

void handler(Registry& registry, Handle handle) KEBOUND_IN_TRAP_CONTEXT;

void handler(Registry& registry, Handle handle) { registry.remove(handle, nullptr); }

}  // namespace kebound::structure
