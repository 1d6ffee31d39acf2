// SPDX-License-Identifier: Apache-2.0
#include "trap/calls/call_frame.h"

namespace kebound::calls {
namespace {

constexpr uint8_t kArgumentRegisters[] = {x86::Rdi, x86::Rsi, x86::Rdx, x86::Rcx, x86::R8, x86::R9};
constexpr unsigned kInRegisters = sizeof kArgumentRegisters;

// The bytes before a return address, as far as they can be read. window[kBehind - n] is n before.
constexpr size_t kBehind = 8;

int64_t displacement(const uint8_t* bytes) noexcept {
  return static_cast<int32_t>(uint32_t{bytes[0]} | uint32_t{bytes[1]} << 8 |
                              uint32_t{bytes[2]} << 16 | uint32_t{bytes[3]} << 24);
}

uint64_t moved(const CallFrame& frame, uint64_t address, int64_t by) noexcept {
  const uint64_t sum = address + static_cast<uint64_t>(by);
  return frame.is_64bit ? sum : static_cast<uint32_t>(sum);
}

struct Route {
  uint64_t target = 0;
  uint64_t slot = 0;
};

// `call *slot` or `jmp *slot` as linkers and compilers write it: ff and its operand at `bytes`, the
// next instruction at `next`.
bool read_slot(const CallFrame& frame, const uint8_t* bytes, uint8_t absolute, uint8_t by_rbx,
               uint64_t next, Route& route) noexcept {
  if (bytes[0] != 0xff) return false;
  const int64_t by = displacement(bytes + 2);
  if (bytes[1] == absolute) {
    route.slot = frame.is_64bit ? moved(frame, next, by) : static_cast<uint32_t>(by);
  } else if (bytes[1] == by_rbx && !frame.is_64bit) {
    route.slot = moved(frame, frame.entry.gpr[x86::Rbx], by);  // position independent
  } else {
    return false;
  }
  return frame.read_word(route.slot, route.target);
}

// Through a stub of the linker's, if that is what is at the target.
void follow_stub(const CallFrame& frame, Route& route) noexcept {
  uint8_t code[16];
  if (!frame.memory.read(route.target, code, sizeof code)) return;
  size_t at = 0;
  if (code[0] == 0xf3 && code[1] == 0x0f && code[2] == 0x1e) at = 4;  // endbr64, endbr32
  if (code[at] == 0xf2) ++at;                                         // bnd
  Route behind;
  if (read_slot(frame, code + at, 0x25, 0xa3, route.target + at + 6, behind)) route = behind;
}

}  // namespace

bool CallFrame::read_word(uint64_t address, uint64_t& value) const noexcept {
  value = 0;  // little-endian: the upper half stays
  return memory.read(address, &value, static_cast<size_t>(word_size()));
}

uint8_t CallFrame::argument_register(unsigned number) const noexcept {
  return is_64bit && number < kInRegisters ? kArgumentRegisters[number] : kNoGpr;
}

uint64_t CallFrame::argument_address(unsigned number) const noexcept {
  const unsigned on_stack = is_64bit ? number - kInRegisters : number;
  return entry.gpr[x86::Rsp] + (1 + on_stack) * word_size();
}

bool CallFrame::argument(unsigned number, uint64_t& value) const noexcept {
  const uint8_t reg = argument_register(number);
  if (reg == kNoGpr) return arguments_kept && read_word(argument_address(number), value);
  value = entry.gpr[reg];
  return (known >> reg & 1) != 0;
}

CallInstruction find_call(const CallFrame& frame) noexcept {
  CallInstruction call;
  uint8_t window[kBehind] = {};
  if (!frame.read_word(frame.entry.gpr[x86::Rsp], call.return_address)) return call;
  call.address = call.return_address;
  const uint64_t end = call.return_address;
  // The page before may not be there.
  size_t known = kBehind;
  while (known != 0 && !frame.memory.read(end - known, window + kBehind - known, known)) --known;
  const uint8_t* const behind = window + kBehind;
  const auto found = [&](uint8_t length, const Route& route = {}) {
    call.address = moved(frame, end, -int64_t{length});
    call.length = length;
    call.target = route.target;
    call.slot = route.slot;
    call.proven = route.target != 0 && route.target == frame.entry.rip;
    return call;
  };
  Route direct;
  uint8_t direct_length = 0;
  if (known >= 5 && behind[-5] == 0xe8) {
    // The linker may have put a prefix before one that went through a slot once.
    direct_length = known >= 6 && behind[-6] == 0x67 ? 6 : 5;
    direct.target = moved(frame, end, displacement(behind - 4));
    if (direct.target != frame.entry.rip) follow_stub(frame, direct);
    if (direct.target == frame.entry.rip) return found(direct_length, direct);
  }
  Route slot;
  const bool by_slot = known >= 6 && read_slot(frame, behind - 6, 0x15, 0x93, end, slot);
  if (by_slot && slot.target != frame.entry.rip) follow_stub(frame, slot);
  if (by_slot && slot.target == frame.entry.rip) return found(6, slot);
  if (direct_length != 0) return found(direct_length, direct);
  if (by_slot) return found(6, slot);
  // Through a register or a pointer in memory: ff /2.
  if (known >= 2 && behind[-2] == 0xff && (behind[-1] & 0xf8) == 0xd0) {
    const bool extended = known >= 3 && frame.is_64bit && (behind[-3] & 0xf0) == 0x40;
    return found(extended ? 3 : 2);
  }
  if (known >= 6 && behind[-6] == 0xff && (behind[-5] & 0xf8) == 0x90 && behind[-5] != 0x94) {
    return found(6);
  }
  if (known >= 3 && behind[-3] == 0xff && (behind[-2] & 0xf8) == 0x50 && behind[-2] != 0x54) {
    return found(3);
  }
  if (known >= 2 && behind[-2] == 0xff && (behind[-1] & 0xf8) == 0x10 && behind[-1] != 0x14 &&
      behind[-1] != 0x15) {
    return found(2);
  }
  return call;
}

x86::Registers registers_at_call(const CallFrame& frame, const CallInstruction& call) noexcept {
  x86::Registers registers = frame.entry;
  registers.rip = call.address;
  registers.gpr[x86::Rsp] += frame.word_size();
  return registers;
}

}  // namespace kebound::calls
