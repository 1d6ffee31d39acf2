// SPDX-License-Identifier: Apache-2.0
//
// The functions of the running program by its own symbol table. For tests.
#pragma once

#include "trap/x86/check_recovery.h"

namespace kebound::recovery_test {

// Reads /proc/self/exe; exits with a message if that does not work. Call once, before the first trap.
void load_own_functions();
[[nodiscard]] x86::FunctionLookup own_functions();
// The function around an address, for messages.
[[nodiscard]] const char* own_function_name(uint64_t address);

}  // namespace kebound::recovery_test
