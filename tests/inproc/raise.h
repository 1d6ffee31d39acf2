// SPDX-License-Identifier: Apache-2.0
//
// Real exceptions for the tests of the in-process host. On x86-64 the BOUND is in 32-bit code that
// the 64-bit process enters by a far call; the test programs are linked below 4 GiB for it.
#pragma once

#include <stdint.h>
#include <ucontext.h>

namespace kebound::testing {

struct Bounds {
  int32_t lower;
  int32_t upper;
};

// Executes `bound %eax, (%edx)` with that index and those bounds; returns what eax holds when the
// thread is behind it. `edx`, if given, replaces the address of the bounds.
int32_t raise_bound(int32_t index, Bounds bounds, const uint32_t* edx = nullptr);

// Address and length of that instruction.
uintptr_t bound_address();
inline constexpr unsigned kBoundLength = 2;

// Executes the trap that clang ends a failed array check with. Returns when somebody has skipped
// it.
void raise_array_trap();
// From the trap to code that a callback may go on with; what is right behind a trap is refused.
inline constexpr unsigned kArrayTrapToSafety = 16;
uintptr_t array_trap_address();

// The interrupted thread's instruction pointer and eax in a handler's context.
[[nodiscard]] uintptr_t ip_of(const void* context);
void set_ip(void* context, uintptr_t ip);
[[nodiscard]] uint32_t eax_of(const void* context);
void set_ax(void* context, uintptr_t value);

}  // namespace kebound::testing
