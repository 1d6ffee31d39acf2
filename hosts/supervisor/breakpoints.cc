// SPDX-License-Identifier: Apache-2.0
#include "hosts/supervisor/breakpoints.h"

#include <algorithm>

#include "hosts/supervisor/first_instruction.h"
#include "hosts/supervisor/ptrace.h"
#include "trap/x86/bound.h"

namespace kebound::supervisor {
namespace {

// Code is not writable for the program itself: only ptrace writes there, a word at a time. The
// kernel gives the process a copy of the page of its own.
bool write_byte(pid_t stopped, uint64_t address, uint8_t byte) {
  unsigned long word = 0;
  if (ptrace_read_word(stopped, address, word) != PtraceResult::Ok) return false;
  word = (word & ~0xffUL) | byte;
  return ptrace_write_word(stopped, address, word) == PtraceResult::Ok;
}

void restore(pid_t stopped, const TargetMemory& memory, uint64_t address, uint8_t original) {
  uint8_t now = 0;
  // Other memory may be there by now, or the program's own int3.
  if (memory.read(address, &now, 1) && now == kBreakpointByte && original != kBreakpointByte) {
    write_byte(stopped, address, original);
  }
}

}  // namespace

Breakpoints::Insertion Breakpoints::insert(pid_t stopped, const TargetMemory& memory,
                                           uint64_t address, bool is_64bit,
                                           const WatchedFunction& function) {
  uint8_t code[x86::kMaxInstructionLength];
  const size_t size = memory.read_some(address, code, sizeof code);
  if (size == 0) return Insertion::Failed;
  if (code[0] == kBreakpointByte) {
    return at_.contains(address) ? Insertion::AlreadyThere : Insertion::NotExecutable;
  }
  Breakpoint breakpoint;
  breakpoint.original = code[0];
  breakpoint.mode = is_64bit ? x86::CodeMode::Bits64 : x86::CodeMode::Bits32;
  breakpoint.function = function;
  if (!x86::decode_instruction(code, size, address, breakpoint.mode, breakpoint.instruction) ||
      !can_execute(breakpoint.instruction)) {
    return Insertion::NotExecutable;
  }
  // Known before it is there: from then on any thread may run into it.
  at_[address] = breakpoint;
  if (write_byte(stopped, address, kBreakpointByte)) return Insertion::Done;
  at_.erase(address);
  return Insertion::Failed;
}

const Breakpoint* Breakpoints::find(uint64_t address) const {
  const auto found = at_.find(address);
  return found != at_.end() ? &found->second : nullptr;
}

void Breakpoints::keep_only(const std::vector<uint64_t>& addresses) {
  std::erase_if(at_, [&](const auto& entry) {
    return std::find(addresses.begin(), addresses.end(), entry.first) == addresses.end();
  });
}

void Breakpoints::remove_all(pid_t stopped, const TargetMemory& memory) const {
  for (const auto& [address, breakpoint] : at_) {
    restore(stopped, memory, address, breakpoint.original);
  }
}

void Breakpoints::remove(pid_t stopped, const TargetMemory& memory, uint64_t address) {
  const auto found = at_.find(address);
  if (found == at_.end()) return;
  restore(stopped, memory, address, found->second.original);
}

void Breakpoints::conceal(uint64_t address, uint8_t* bytes, size_t size) const {
  for (size_t i = 0; i < size; ++i) {
    if (bytes[i] != kBreakpointByte) continue;
    if (const Breakpoint* const ours = find(address + i)) bytes[i] = ours->original;
  }
}

}  // namespace kebound::supervisor
