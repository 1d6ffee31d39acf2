// SPDX-License-Identifier: Apache-2.0
//
// One x86-64 processor, a serial line, a timer, and QEMU's way out.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "hosts/bare/layout.h"

namespace kebound::bare {

// What entry.S keeps of whoever was interrupted. gpr in encoding order, as in x86::Registers.
struct Frame {
  uint64_t gpr[16];
  uint64_t vector;
  uint64_t error;
  uint64_t rip;
  uint64_t cs;
  uint64_t rflags;
  uint64_t rsp;
  uint64_t ss;

  [[nodiscard]] bool from_user() const noexcept { return (cs & 3) != 0; }
};

inline constexpr unsigned kVectorBound = 5;
inline constexpr unsigned kVectorInvalidOpcode = 6;
inline constexpr unsigned kVectorGeneralProtection = 13;
inline constexpr unsigned kVectorPageFault = 14;
inline constexpr unsigned kFirstInterrupt = 0x20;
inline constexpr unsigned kLastInterrupt = 0x30;  // exclusive; all but the timer's are spurious
inline constexpr unsigned kVectorTimer = kFirstInterrupt;
inline constexpr unsigned kVectorSystemCall = 0x80;
// User programs may use these as they like: Process::on_report gets them.
inline constexpr unsigned kFirstReport = 0x81;
inline constexpr unsigned kLastReport = 0x84;

// Interrupts are off in its scope. Nests.
class InterruptsOff {
 public:
  InterruptsOff() noexcept {
    __asm__ volatile("pushfq\n\tpopq %0\n\tcli" : "=r"(flags_) : : "memory");
  }
  InterruptsOff(const InterruptsOff&) = delete;
  InterruptsOff& operator=(const InterruptsOff&) = delete;
  ~InterruptsOff() {
    constexpr uint64_t kInterruptFlag = 0x200;
    if ((flags_ & kInterruptFlag) != 0) __asm__ volatile("sti" : : : "memory");
  }

 private:
  uint64_t flags_;
};

// Descriptors, vectors, timer (1 kHz; stopped until start_timer()), and the registers of SSE, AVX
// and MPX for user mode. Once after each start of the kernel, interrupts off.
void start_machine() noexcept;
void start_timer() noexcept;
void stop_timer() noexcept;
void acknowledge_timer() noexcept;

// Where gs points in the kernel: what KeGetCurrentThread() reads. The user's is 0.
void set_gs_base(const void* base) noexcept;
// The stack that user mode of the running thread is left to.
void set_kernel_stack(uint64_t top) noexcept;

// What XSAVE keeps of a user thread; all zero is a new one.
inline constexpr size_t kExtendedStateSize = 4096;
void save_extended_state(void* area) noexcept;
void load_extended_state(const void* area) noexcept;

// Raises #BR in the kernel itself: 64-bit code has no BOUND, and MPX is on for the kernel
// meanwhile.
void raise_bound_in_kernel() noexcept;
// Where that instruction is.
[[nodiscard]] uint64_t bound_in_kernel() noexcept;

void write_serial(const char* text, size_t size) noexcept;

// QEMU ends with status 2 * `status` + 1 (isa-debug-exit); other machines stop.
[[noreturn]] void leave_machine(uint8_t status) noexcept;

[[nodiscard]] const char* command_line() noexcept;
// How often restart() was called since the machine was switched on.
[[nodiscard]] uint64_t restart_count() noexcept;

}  // namespace kebound::bare

extern "C" {
[[noreturn]] void restart() noexcept;
[[noreturn]] void leave_kernel(kebound::bare::Frame* frame) noexcept;
void switch_stacks(uint64_t* save, uint64_t load) noexcept;
}
