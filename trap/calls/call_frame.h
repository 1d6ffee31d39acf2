// SPDX-License-Identifier: Apache-2.0
//
// A thread at the first instruction of a function: its arguments, and the call that it came by.
// Freestanding.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "trap/memory_reader.h"
#include "trap/x86/registers.h"

namespace kebound::calls {

struct CallFrame {
  bool is_64bit = true;
  MemoryReader memory;
  x86::Registers entry;        // rip: the function; rsp: where the return address is
  uint32_t known = 0xffff;     // a bit for each Gpr of `entry`: the rest has other values by now
  bool has_begun = false;      // to do its work: what it writes to may not be as it was
  bool arguments_kept = true;  // those in memory are still as they were passed

  [[nodiscard]] uint64_t word_size() const noexcept { return is_64bit ? 8 : 4; }
  // A machine word of memory, zero-extended. False where it cannot be read.
  [[nodiscard]] bool read_word(uint64_t address, uint64_t& value) const noexcept;
  // The argument's register, or kNoGpr where it is in memory.
  static constexpr uint8_t kNoGpr = 0xff;
  [[nodiscard]] uint8_t argument_register(unsigned number) const noexcept;
  // Where it is in memory, for those that no register has.
  [[nodiscard]] uint64_t argument_address(unsigned number) const noexcept;
  // Machine word `number` of the arguments. False where it cannot be read. Context: anywhere.
  [[nodiscard]] bool argument(unsigned number, uint64_t& value) const noexcept;
};

// The instruction that called.
struct CallInstruction {
  uint64_t address = 0;
  uint64_t return_address = 0;
  uint8_t length = 0;   // bytes; 0: none found, address is then the return address
  bool proven = false;  // it leads to the function, at once or by a stub of the linker's
  uint64_t target = 0;  // where it leads, as far as that is to be seen
  uint64_t slot = 0;    // the word that it takes the target from; 0: it names the target itself
};

// What is before the return address. A tail call leaves none that leads to the function: then it is
// what called its caller. Context: anywhere.
[[nodiscard]] CallInstruction find_call(const CallFrame& frame) noexcept;

// The registers as they were before the call: the function's own entry without the return address.
[[nodiscard]] x86::Registers registers_at_call(const CallFrame& frame,
                                               const CallInstruction& call) noexcept;

}  // namespace kebound::calls
