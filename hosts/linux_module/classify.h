// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "hosts/kernel/describe_bound.h"
#include "hosts/linux_module/decoded_bounds.h"
#include "hosts/linux_module/kernel.h"
#include "trap/bound_event.h"
#include "trap/x86/registers.h"

namespace kebound::linux_module {

inline constexpr unsigned kVectorBound = 5;
inline constexpr unsigned kVectorInvalidOpcode = 6;

enum class TrapSort : uint8_t {
  Other,          // none of ours
  BoundsFailure,  // it is one
  CompilersTrap,  // the code around it says whether it is one: recover_exception()
};

// A MemoryReader whose function is known.
struct UserMemory {
  static constexpr void* self = nullptr;
  [[nodiscard]] static size_t read_some(void*, uint64_t address, void* buffer, size_t size) noexcept {
    return kb_read_user(nullptr, address, buffer, size);
  }
  [[nodiscard]] static bool read(uint64_t address, void* buffer, size_t size) noexcept {
    return read_some(nullptr, address, buffer, size) == size;
  }
};

extern constinit DecodedBounds* g_decoded;  // one for each processor

// Of an invalid opcode: the instruction decides.
[[nodiscard]] TrapSort describe_compiler_trap(const x86::Registers& registers,
                                              BoundEvent& event) noexcept;

// Context: the running task's registers, in the trap.
void read_bases(x86::Registers& registers) noexcept;

// Whether the trap of `processor` is a bounds failure, and what is known about it. The processor says by
// the vector that it is a bound exception. `registers` come without segment bases, and get them where
// the check has to do with one. Here, to be a part of the trap. Context: trap.
[[nodiscard]] inline TrapSort classify(unsigned vector, unsigned processor,
                                       x86::Registers& registers, BoundEvent& event) noexcept {
  if (vector == kVectorInvalidOpcode) return describe_compiler_trap(registers, event);
  const auto decode = [processor](const uint8_t* code, size_t size, uint64_t ip,
                                  x86::BoundInstruction& room) noexcept {
    return g_decoded[processor].decode(code, size, ip, room);
  };
  describe_bound(registers, UserMemory{}, decode, read_bases, event);
  return TrapSort::BoundsFailure;
}

// What is remembered of instructions. False: no memory.
[[nodiscard]] bool start_classifying() noexcept;
void stop_classifying() noexcept;

}  // namespace kebound::linux_module
