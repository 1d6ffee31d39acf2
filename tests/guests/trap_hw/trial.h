// SPDX-License-Identifier: Apache-2.0
//
// Running one instruction of 32-bit code on this processor with every register chosen: a signal
// frame is edited to hold the registers, and the signal that ends the trial tells what the
// processor did.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "trap/memory_reader.h"
#include "trap/x86/registers.h"

namespace kebound::trap_hw {

// Exception vectors, as the kernel reports them in the signal frame.
inline constexpr uint32_t kVectorBreakpoint = 3;
inline constexpr uint32_t kVectorBoundRange = 5;
inline constexpr uint32_t kVectorInvalidOpcode = 6;
inline constexpr uint32_t kVectorStackSegment = 12;
inline constexpr uint32_t kVectorGeneralProtection = 13;
inline constexpr uint32_t kVectorPageFault = 14;
inline constexpr uint32_t kVectorAlignmentCheck = 17;

struct Outcome {
  int signal = 0;
  uint32_t vector = 0;
  x86::Registers registers;
};

// What tells the machines apart that the trials run on. One of machine_*.cc is linked.
struct Machine {
  const char* name;
  bool sees_past_4gib;      // the process can map addresses beyond those of 32-bit code
  bool has_data_selectors;  // trials may choose DS, ES, FS and GS; otherwise they keep the baseline
  uint16_t fs_selector;     // a segment of its own with base kFsBase, 0 if there is none
  uint16_t gs_selector;     // the same with kGsBase
};

inline constexpr uint32_t kFsBase = 0x20000000;
inline constexpr uint32_t kGsBase = 0xf0000000;  // offset 0x20000000 wraps to linear 0x10000000

// Sets up signal handling and segments. False, with a message, where the system does not allow it.
// Context: main thread, once.
bool set_up_machine(Machine& machine) noexcept;

// Flat segments and sane flags: what a trial starts from. General registers and rip are zero.
x86::Registers baseline_registers() noexcept;

// Runs until the first signal. Context: main thread, after set_up_machine().
Outcome run_trial(const x86::Registers& start) noexcept;

// This process' memory, read without faulting.
MemoryReader own_memory() noexcept;

// Memory at exactly this address; null and errno where it cannot be had. Addresses are the target's
// view: a 32-bit process has no others.
uint8_t* map_at(uint64_t address, size_t size, int protection) noexcept;

}  // namespace kebound::trap_hw
