// SPDX-License-Identifier: Apache-2.0
//
// Breakpoints in the code of one address space. Every request needs a stopped thread that lives in
// it. Tracing thread only.
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include <unordered_map>
#include <vector>

#include "hosts/supervisor/target_memory.h"
#include "hosts/supervisor/watched_file.h"
#include "trap/x86/instruction.h"

namespace kebound::supervisor {

inline constexpr uint8_t kBreakpointByte = 0xcc;  // int3

struct Breakpoint {
  uint8_t original = 0;  // the byte that ours stands for
  x86::CodeMode mode = x86::CodeMode::Bits64;
  x86::Instruction instruction;  // what it stands on
  WatchedFunction function;
};

class Breakpoints {
 public:
  enum class Insertion { Done, AlreadyThere, NotExecutable, Failed };
  // Failed: the code cannot be read or written. NotExecutable: it begins with an instruction that
  // would have to be executed in its place (can_execute()); nothing was changed.
  Insertion insert(pid_t stopped, const TargetMemory& memory, uint64_t address, bool is_64bit,
                   const WatchedFunction& function);
  [[nodiscard]] const Breakpoint* find(uint64_t address) const;
  // Forgets those that are not among `addresses`: their module is gone, and their memory with it.
  void keep_only(const std::vector<uint64_t>& addresses);
  // The code becomes the program's own again. They are still known: a thread may have run into one
  // already.
  void remove_all(pid_t stopped, const TargetMemory& memory) const;
  // One alone, for a thread that cannot get past it.
  void remove(pid_t stopped, const TargetMemory& memory, uint64_t address);
  [[nodiscard]] bool empty() const { return at_.empty(); }
  // The program's own bytes, where a breakpoint stands among those that were read from `address`
  // on.
  void conceal(uint64_t address, uint8_t* bytes, size_t size) const;

 private:
  std::unordered_map<uint64_t, Breakpoint> at_;
};

}  // namespace kebound::supervisor
