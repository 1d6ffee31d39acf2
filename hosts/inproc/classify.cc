// SPDX-License-Identifier: Apache-2.0
#include "hosts/inproc/classify.h"

#include <string.h>

#include "hosts/inproc/check_trap.h"
#include "hosts/inproc/machine.h"
#include "trap/x86/bound.h"
#include "trap/x86/compiler_trap.h"

namespace kebound::inproc {
namespace {

constexpr uint16_t kLdtBit = 4;
constexpr size_t kSmallestPage = 4096;

const void* pointer_to(uint64_t address) noexcept {
  return reinterpret_cast<const void*>(static_cast<uintptr_t>(address));
}

// This process' memory, with the instruction's bytes read only once.
struct OwnMemory {
  uint64_t code_address;
  const uint8_t* code;
  size_t code_size;

  static size_t read(void* self, uint64_t address, void* buffer, size_t size) noexcept {
    const auto& memory = *static_cast<const OwnMemory*>(self);
    if (address != memory.code_address || size > x86::kMaxInstructionLength) {
      return kebound_copy(buffer, pointer_to(address), size);
    }
    const size_t count = size < memory.code_size ? size : memory.code_size;
    memcpy(buffer, memory.code, count);
    return count;
  }
};

// The processor has raised #BR. Only that a stale trap number may say so too, where the kernel
// raises a signal by itself (a stack that has no room for a handler's frame), makes a look at the
// instruction necessary.
bool read_bound(const ucontext_t& context, Trap& trap) noexcept {
  auto& [registers, event, recovery, detail] = trap;
  read_registers(context, registers);
  trap.detail[0] = '\0';
  event.ip = registers.rip;
  event.trap_ip = registers.rip;
  if ((registers.cs & kLdtBit) != 0) return true;  // code of a segment that we know nothing about
  uint8_t code[x86::kMaxInstructionLength];
  const size_t size = kebound_copy(code, pointer_to(registers.rip), sizeof code);
  x86::BoundInstruction instruction;
  if (registers.cs == kCode64 ||
      !x86::decode_bound(code, size, x86::CodeSize::Bits32, instruction)) {
    return false;
  }
  if (instruction.segment == x86::Segment::Fs || instruction.segment == x86::Segment::Gs) {
    read_segment_bases(registers);
  }
  OwnMemory memory{registers.rip, code, size};
  if (x86::evaluate_bound(registers, {&memory, OwnMemory::read}, event) !=
      x86::BoundVerdict::Exceeded) {
    event.instruction_length = instruction.length;
    event.index_register = instruction.index_register;
    event.index_width = instruction.operand_bits;
  }
  return true;
}

bool read_compiler_trap(const ucontext_t& context, Trap& found) noexcept {
  const uint64_t ip = instruction_pointer(context);
  uint8_t code[x86::kMaxInstructionLength];
  // Not over the end of the page at first: a fault there kills a thread that has SIGSEGV blocked.
  const size_t room = kSmallestPage - static_cast<size_t>(ip % kSmallestPage);
  size_t size = kebound_copy(code, pointer_to(ip), room < sizeof code ? room : sizeof code);
  x86::CompilerTrap trap;
  bool decoded = x86::decode_compiler_trap(code, size, trap);
  if (!decoded && size == room && room < 5) {
    size = kebound_copy(code, pointer_to(ip), sizeof code);
    decoded = x86::decode_compiler_trap(code, size, trap);
  }
  if (!decoded) return false;
  read_registers(context, found.registers);
  return recover_check_trap(trap, found);
}

}  // namespace

bool is_bound_exception(int signal, const siginfo_t& info, const ucontext_t& context,
                        Trap& trap) noexcept {
  // The codes come first: a signal that somebody sent shows the trap number of some earlier trap.
  if (signal == SIGSEGV) {
    return info.si_code == SI_KERNEL && trap_number(context) == kTrapBoundRange &&
           read_bound(context, trap);
  }
  return signal == SIGILL && info.si_code == ILL_ILLOPN &&
         trap_number(context) == kTrapInvalidOpcode && read_compiler_trap(context, trap);
}

bool resume_copy(ucontext_t& context) noexcept {
  const uint64_t ip = instruction_pointer(context);
  const auto address_of = [](const void* label) { return reinterpret_cast<uintptr_t>(label); };
  const void* const begin = reinterpret_cast<const void*>(kebound_copy);
  if (ip == address_of(kebound_copy_fault)) {
    set_instruction_pointer(context, address_of(kebound_copy_resume));
    return true;
  }
  if (ip < address_of(begin) || ip >= address_of(kebound_copy_slow)) return false;
  set_instruction_pointer(context, address_of(kebound_copy_slow));
  return true;
}

}  // namespace kebound::inproc
