// SPDX-License-Identifier: Apache-2.0
//
// User programs: ELF images in the one user address space, their threads, and exceptions as they
// get them.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "hosts/bare/machine.h"
#include "hosts/bare/threads.h"
#include "hosts/bare/user_abi.h"
#include "trap/elf/unwind_table.h"

namespace kebound::bare {

enum class Ending : uint8_t {
  Alive,
  Exited,      // by itself, with exit_status
  Unhandled,   // of an exception that it has no handler for: unhandled_vector
  Terminated,  // by a callback's Error, or what counts as that
};

struct Process {
  uint64_t id = 0;
  uint64_t handler = 0;  // where its exceptions go; 0: they end it
  uint16_t handler_selector = BARE_USER_CS32;
  Ending ending = Ending::Alive;
  uint64_t exit_status = 0;
  unsigned unhandled_vector = 0;
  // Its image, for what a compiler's trap is about.
  bool has_image = false;
  bool numbers_its_traps = false;
  elf::Image image;
  // INT kFirstReport .. kLastReport; edits of the frame take effect. Null: an exception as others.
  void (*on_report)(Frame& frame) = nullptr;
};

// Maps an ELF image, 32- or 64-bit, at the addresses that it was linked for; `entry` is where it
// begins. False: it is none, or is not for user memory, or there is none left.
[[nodiscard]] bool load_program(Process& process, const uint8_t* file, size_t size,
                                uint64_t& entry) noexcept;

// How a user thread begins; other registers are 0.
struct UserStart {
  uint64_t entry = 0;
  uint64_t stack_top = 0;  // its stack pointer is 16 bytes below
  uint16_t code_selector = BARE_USER_CS32;
  uint64_t rax = 0;
  uint64_t rdx = 0;
  uint64_t rbx = 0;
};
// Null: too many threads, or no memory.
[[nodiscard]] Thread* start_user_thread(Process& process, const UserStart& start) noexcept;

// None of its user code runs again, though threads of it be in the kernel still; who waits for that
// is told. The caller goes on.
void end_process(Process& process, Ending ending) noexcept;
void wait_for_end(const Process& process) noexcept;

// What becomes of an exception of user mode that nobody has handled: the program's handler gets it,
// or it ends the program. Interrupts are on.
void deliver_exception(Frame& frame) noexcept;

// Context: a thread of a process, from user mode, interrupts on.
void on_system_call(Frame& frame) noexcept;

}  // namespace kebound::bare
