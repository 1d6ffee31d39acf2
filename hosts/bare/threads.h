// SPDX-License-Identifier: Apache-2.0
//
// Threads of the one processor: preempted each millisecond, in the kernel as well. Each is an NT
// thread all its life.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/livelock.h"
#include "hosts/bare/machine.h"
#include "nt/facility.h"
#include "nt/thread.h"
#include "trap/x86/registers.h"

namespace kebound::bare {

struct Process;

inline constexpr int64_t kNever = INT64_MAX;
inline constexpr uint32_t kMaxThreads = 32;

// One token: an unpark() that comes first makes the next park() return at once.
class ThreadParker final : public nt::Parker {
 public:
  constexpr ThreadParker() noexcept = default;
  void park(int64_t deadline_ns) noexcept override;
  void unpark() noexcept override;

 private:
  bool token_ = false;
};

struct Thread {
  nt::Thread nt;  // first: what gs:[0x188] points to, and a thread object's address
  ThreadParker parker;
  enum class State : uint8_t { Free, Ready, Waiting };
  State state = State::Free;
  bool attached = false;
  uint64_t stack_pointer = 0;      // while it does not run
  const void* waits_on = nullptr;  // null: only for its deadline
  int64_t deadline_ns = kNever;
  Process* process = nullptr;  // whose user code it runs, null: none
  uint16_t segments[3] = {};   // ds, es, fs, while it does not run
  LivelockGuard<x86::Registers> livelock;
  // Of a thread that PsCreateSystemThread made; system_threads.cc.
  LONG references = 0;
  bool has_handle = false;
  uint32_t generation = 0;
  PKSTART_ROUTINE start = nullptr;
  PVOID context = nullptr;
  const nt::Image* image = nullptr;
};

// Makes the caller, on the stack that the kernel was started on, the first thread.
void start_threads() noexcept;
[[nodiscard]] Thread& running_thread() noexcept;
[[nodiscard]] Thread& thread_at(uint32_t index) noexcept;
[[nodiscard]] inline uint64_t thread_id(const Thread& thread) noexcept {
  return static_cast<uint64_t>(&thread - &thread_at(0)) + 1;
}

// How much of its kernel stack was ever used since the machine was switched on, bytes.
[[nodiscard]] size_t stack_used(const Thread& thread) noexcept;

// Null: kMaxThreads exist. Its place is used again when it has ended and `references` is 0.
[[nodiscard]] Thread* new_thread(void (*routine)(void*), void* argument, Process* process) noexcept;
extern "C" [[noreturn]] void end_thread() noexcept;
// [[noreturn]] Thread: for the first time to user mode.
[[noreturn]] void enter_user_mode(const Frame& frame) noexcept;

// Waits until wake(object), or the time. Interrupts are off: who changes what the caller looked at
// comes later, and wakes it.
void wait_on(const void* object, int64_t deadline_ns) noexcept;
void wake(const void* object) noexcept;
// Lets the others run. False: there is none that could.
bool yield() noexcept;
void sleep_until(int64_t deadline_ns) noexcept;

// Since the timer was started, by its milliseconds.
[[nodiscard]] int64_t now_ns() noexcept;
// The timer's interrupt.
void on_timer() noexcept;

// What cannot be gone on from. The kernel's user says what becomes of it (kernel.h).
[[noreturn]] void panic(const char* what) noexcept;

}  // namespace kebound::bare
