// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>

#include "include/kebound/abi.h"
#include "trap/x86/array_type.h"
#include "trap/x86/code_range.h"
#include "trap/x86/function_facts.h"

namespace kebound::inproc {

// What debug information says of the bounds check that the trap at `ip` belongs to; empty: nothing,
// or nobody can be asked. The first time at a trap the reader of the event ring is asked; that it
// can be is the difference between kebound run and a program with the library alone. Context: in a
// signal's handler.
void find_trap_message(uint64_t ip, char (&message)[KEBOUND_RING_DETAIL]) noexcept;

// The arrays around `address`, from there as well, each time. Context: in a signal's handler.
[[nodiscard]] bool find_arrays(uint64_t address, x86::ArrayNest& out) noexcept;

// What is known of the function that begins at `address`, likewise. Context: in a signal's handler.
[[nodiscard]] bool find_function_facts(uint64_t address, x86::FunctionFacts& out) noexcept;

// The code goes away. Context: not in a signal handler.
void forget_trap_messages(x86::CodeRange range) noexcept;

}  // namespace kebound::inproc
