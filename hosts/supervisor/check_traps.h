// SPDX-License-Identifier: Apache-2.0
//
// What the traps of one process are about. Tracing thread only.
#pragma once

#include <stdint.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "events/record.h"
#include "events/trap_messages.h"
#include "hosts/posix/module_map.h"
#include "hosts/supervisor/target_memory.h"
#include "trap/bound_event.h"
#include "trap/calls/call_event.h"
#include "trap/elf/unwind_table.h"
#include "trap/x86/check_recovery.h"
#include "trap/x86/compiler_trap.h"
#include "trap/x86/registers.h"
#include "trap/x86/resume.h"

namespace kebound::supervisor {

class CheckTraps {
 public:
  // `messages`: may be null.
  CheckTraps(pid_t pid, bool is_64bit, TargetMemory& memory, posix::ModuleMapReader& modules,
             events::TrapMessages* messages);
  CheckTraps(const CheckTraps&) = delete;
  CheckTraps& operator=(const CheckTraps&) = delete;
  ~CheckTraps();

  // Whether the trap at registers.rip, which `trap` is, is a failed bounds check; fills the event,
  // the way back to the check, and what the check says of itself. The first time at a trap the code
  // around it is read and analysed.
  [[nodiscard]] bool recover(const x86::CompilerTrap& trap, const x86::Registers& registers,
                             BoundEvent& event, x86::Recovery& recovery, std::string& detail);

  // Index and limits of a library's check, where the call that reports it does not say them.
  void recover_called(calls::CallEvent& call);

 private:
  [[nodiscard]] x86::RecoverySource source_for(const x86::Registers& registers);
  struct MappedImage {
    x86::CodeRange range;  // of the file's mappings
    std::string path;
    elf::Image image;
    bool numbers_its_traps = false;
  };

  // What debug information says of `address`.
  template <class Answer>
  using Question = std::optional<Answer> (events::TrapMessages::*)(const events::ModuleMap&,
                                                                   uint64_t);
  template <class Answer>
  [[nodiscard]] bool ask(Question<Answer> question, uint64_t address, Answer& out);

  static bool find_function(void* self, uint64_t address, x86::CodePlace& out) noexcept;
  static bool find_arrays(void* self, uint64_t address, x86::ArrayNest& out) noexcept;
  static bool find_facts(void* self, uint64_t address, x86::FunctionFacts& out) noexcept;
  [[nodiscard]] const MappedImage* image_around(uint64_t address);
  void follow_mappings();
  // What debug information says of the trap; empty: nothing.
  [[nodiscard]] const std::string& message_at(uint64_t address, bool is_in_file);

  const pid_t pid_;
  const bool is_64bit_;
  TargetMemory& memory_;
  posix::ModuleMapReader& modules_;
  events::TrapMessages* const trap_messages_;
  uint64_t generation_ = 0;  // of the map that images_ is about
  std::vector<MappedImage> images_;
  std::map<uint64_t, std::string> messages_;  // by trap; those of images_
  struct CacheDelete {
    void operator()(x86::RecoveryCache* cache) const noexcept;
  };
  std::unique_ptr<x86::RecoveryCache, CacheDelete> cache_;
};

}  // namespace kebound::supervisor
