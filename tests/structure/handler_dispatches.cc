// SPDX-License-Identifier: Apache-2.0
#include "core/registry.h"

namespace kebound::structure {

void handler(Registry& registry, DispatchContext& context) KEBOUND_IN_TRAP_CONTEXT;

void handler(Registry& registry, DispatchContext& context) {
  if (!context.try_claim()) return;
  registry.dispatch(context, [](const Registration&) -> RawAnswer { return kAnswerHandled; });
  context.release();
}

}  // namespace kebound::structure
