// SPDX-License-Identifier: Apache-2.0
#include "hosts/linux_module/classify.h"

#include "hosts/kernel/describe_bound.h"
#include "hosts/linux_module/kernel.h"
#include "trap/x86/bound.h"
#include "trap/x86/compiler_trap.h"

namespace kebound::linux_module {

namespace {

constexpr MemoryReader kUserMemory = {
    nullptr, [](void* self, uint64_t address, void* buffer, size_t size) noexcept {
      return kb_read_user(self, address, buffer, size);
    }};

[[nodiscard]] bool describe_compiler_trap(const x86::Registers& registers,
                                          BoundEvent& event) noexcept {
  uint8_t code[x86::kMaxInstructionLength];
  const size_t size = kUserMemory.read_some(nullptr, registers.rip, code, sizeof code);
  x86::CompilerTrap trap;
  if (!x86::decode_compiler_trap(code, size, trap) || !x86::is_array_bounds_check(trap))
    return false;
  event = BoundEvent{};
  event.source = BoundSource::ClangTrap;
  event.ip = registers.rip;
  event.trap_ip = registers.rip;
  event.instruction_length = trap.length;
  // The check before it is not looked for here: nobody may read a whole function in a trap.
  event.resumable = false;
  event.doubt = Doubt::NoFunction;
  return true;
}

}  // namespace

bool classify(unsigned vector, const x86::Registers& registers, BoundEvent& event) noexcept {
  if (vector == kVectorInvalidOpcode) return describe_compiler_trap(registers, event);
  describe_bound(registers, kUserMemory, event);
  return true;
}

}  // namespace kebound::linux_module
