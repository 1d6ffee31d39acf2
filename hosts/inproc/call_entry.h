// SPDX-License-Identifier: Apache-2.0
//
// The entries of the functions that the preload library stands in front of: call_entry_x86_64.cc
// and call_entry_i386.cc.
#pragma once

#include <stdarg.h>
#include <stdint.h>

#include "hosts/inproc/call_symbols.h"
#include "trap/calls/call_frame.h"
#include "trap/x86/registers.h"

namespace kebound::inproc {

// What an entry keeps of the program's registers, where it keeps them.
struct CallRegisters;

// As they were when the function was entered; rip is left alone.
void read_call_registers(const CallRegisters& saved, x86::Registers& registers) noexcept;
// What the program goes on with. General registers, instruction pointer and flags.
void write_call_registers(const x86::Registers& registers, CallRegisters& saved) noexcept;
// The program goes on in the function it called, as if there had been no entry.
void go_on_at(CallRegisters& saved, const void* function) noexcept;
// Or returns to its caller with a result.
void return_from_call(CallRegisters& saved, long result) noexcept;

// vsnprintf(3) with the arguments of a fortified printing function: those behind `format_argument`,
// or the va_list that is there. The result is its own.
[[nodiscard]] int print_arguments(const CallRegisters& saved, char* to, size_t size,
                                  unsigned format_argument, bool is_list) noexcept;

}  // namespace kebound::inproc

// Where each function really is; entries that decide by themselves jump there. At first the way to
// kebound_on_call() is in all of them.
extern "C" const void* kebound_originals[KEBOUND_CALL_SYMBOL_COUNT];
// The entries themselves.
extern "C" const void* const kebound_call_entries[KEBOUND_CALL_SYMBOL_COUNT];
// What they call. 0: the thread goes on in the function, go_on_at() says where. Else with `saved`.
extern "C" int kebound_on_call(kebound::inproc::CallRegisters* saved, unsigned number) noexcept;
