// SPDX-License-Identifier: Apache-2.0
//
// User programs that are part of the kernel (programs.S), and how a test runs one as a driver.
#pragma once

#include <ntddk.h>

#include "hosts/bare/kernel.h"
#include "hosts/bare/process.h"
#include "hosts/bare/threads.h"
#include "tests/bare/tests.h"
#include "trap/bound_event.h"

namespace kebound::bare {

struct Program {
  const uint8_t* file;
  const uint8_t* end;
};
#define BARE_PROGRAM(name)                                           \
  extern "C" const uint8_t program_##name[], program_##name##_end[]; \
  static const ::kebound::bare::Program name = {program_##name, program_##name##_end}

inline constexpr uint64_t kStackAt = 0x38000000;
inline constexpr uint64_t kUserStackSize = 65536;

// Makes the test's code an image that may register. Once in a test.
void be_a_driver();
// Runs the program to its end.
[[nodiscard]] const Process& run_program(const Program& program, uint64_t argument);
// A thread in the code of programs/loops.S, `edx` at limits 0, 9, the index in ebx.
struct LoopPlaces {
  uint64_t bound, forever, handler;
};
[[nodiscard]] LoopPlaces load_loops();
[[nodiscard]] Thread* start_loop(Process& process, uint64_t entry, unsigned number, uint32_t rounds,
                                 int32_t index);

// Inside a callback: what it is asked about.
[[nodiscard]] inline const BoundEvent& event_now() { return *running_thread().nt.event; }
[[nodiscard]] inline KTRAP_FRAME& frame_now() { return *KeGetCurrentThread()->TrapFrame; }

}  // namespace kebound::bare
