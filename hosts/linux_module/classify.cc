// SPDX-License-Identifier: Apache-2.0
#include "hosts/linux_module/classify.h"

#include "trap/x86/compiler_trap.h"

namespace kebound::linux_module {

constinit DecodedBounds* g_decoded = nullptr;

TrapSort describe_compiler_trap(const x86::Registers& registers, BoundEvent& event) noexcept {
  // In segments of an LDT the instruction pointer is no address.
  if (registers.cs != kUserCs64 && registers.cs != kUserCs32) return TrapSort::Other;
  uint8_t code[x86::kMaxInstructionLength];
  const size_t size = UserMemory::read_some(nullptr, registers.rip, code, sizeof code);
  x86::CompilerTrap trap;
  if (!x86::decode_compiler_trap(code, size, trap)) return TrapSort::Other;
  event = BoundEvent{};
  event.source = trap.kind == x86::CompilerTrapKind::Ud2 ? BoundSource::CheckTrap
                                                         : BoundSource::ClangTrap;
  event.ip = registers.rip;
  event.trap_ip = registers.rip;
  event.instruction_length = trap.length;
  // The check before it is looked for later: nobody may read a whole function in a trap.
  event.resumable = false;
  event.doubt = Doubt::NoFunction;
  if (x86::is_array_bounds_check(trap)) return TrapSort::BoundsFailure;
  event.check = CheckKind::Unknown;
  return TrapSort::CompilersTrap;
}

void read_bases(x86::Registers& registers) noexcept {
  kb_read_bases(reinterpret_cast<kb_registers*>(&registers));
}

bool start_classifying() noexcept {
  g_decoded = static_cast<DecodedBounds*>(kb_allocate(kb_processors() * sizeof(DecodedBounds)));
  return g_decoded != nullptr;
}

void stop_classifying() noexcept { kb_free(g_decoded); }

}  // namespace kebound::linux_module
