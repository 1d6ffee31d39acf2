// SPDX-License-Identifier: Apache-2.0
//
// What clang's -Wthread-safety checks about trap context: code that may have interrupted anything
// (a signal handler, a die notifier) and so must not block. Nothing for other compilers.
#pragma once

#if defined(__clang__)
#define KEBOUND_ANNOTATION(attribute) __attribute__((attribute))
#else
#define KEBOUND_ANNOTATION(attribute)
#endif

namespace kebound {

class KEBOUND_ANNOTATION(capability("context")) TrapContext {};
inline constexpr TrapContext kTrapContext;

}  // namespace kebound

// After a declaration: the function may block, and must not be called in trap context.
#define KEBOUND_BLOCKS KEBOUND_ANNOTATION(locks_excluded(::kebound::kTrapContext))
// After a declaration: the function runs in trap context.
#define KEBOUND_IN_TRAP_CONTEXT KEBOUND_ANNOTATION(requires_capability(::kebound::kTrapContext))
