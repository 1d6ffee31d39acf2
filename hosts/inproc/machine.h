// SPDX-License-Identifier: Apache-2.0
//
// What differs between a 64-bit and a 32-bit process: machine_x86_64.cc and machine_i386.cc.
#pragma once

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

#include "trap/x86/registers.h"

namespace kebound::inproc {

inline constexpr unsigned kTrapBoundRange = 5;     // #BR
inline constexpr unsigned kTrapInvalidOpcode = 6;  // #UD

// The processor's trap number as the kernel left it. It is that of the thread's last trap: a signal
// that no trap caused shows an old one.
[[nodiscard]] unsigned trap_number(const ucontext_t& context) noexcept;
[[nodiscard]] uint64_t instruction_pointer(const ucontext_t& context) noexcept;
void set_instruction_pointer(ucontext_t& context, uint64_t ip) noexcept;

// The interrupted thread's registers. fs_base and gs_base are read only on demand: a system call.
void read_registers(const ucontext_t& context, x86::Registers& registers) noexcept;
void read_segment_bases(x86::Registers& registers) noexcept;
// General registers, instruction pointer and the flags that user mode may change.
void write_registers(const x86::Registers& registers, ucontext_t& context) noexcept;

// What the kernel returns to after a handler; null: it knows itself, and SA_RESTORER is not given.
[[nodiscard]] void (*signal_restorer() noexcept)();

// What is installed as the handler of our signals: it ends up in kebound_on_signal(). Also for
// those who call it as a function, because they found it as the previous handler of their own.
using SignalEntry = void (*)(int, siginfo_t*, void*);
[[nodiscard]] SignalEntry signal_entry() noexcept;

// Lets NT code on this thread find its KPCR at gs:0 (64-bit processes). `saved` keeps what gs was.
// The pair is for one thread, properly nested.
void enter_nt(void* kpcr, uint64_t& saved) noexcept;
void leave_nt(uint64_t saved) noexcept;

// A KPCR for that: big enough, its KPRCB's current thread set.
inline constexpr size_t kKpcrSize = 0x200;
void prepare_kpcr(void* kpcr, void* kthread) noexcept;

// Finds out what the processor and the kernel offer. Before anything above.
void prepare_machine() noexcept;

// The sources above are for one machine each; this is for both.
inline constexpr uint16_t kCode64 = 0x33;

}  // namespace kebound::inproc

// Copies `size` bytes; stops where memory is unreadable. Returns how many were copied. A SIGSEGV
// inside belongs to it: before kebound_copy_slow, the handler goes on there; at kebound_copy_fault,
// it goes on at kebound_copy_resume. Context: anywhere, SIGSEGV not blocked.
extern "C" size_t kebound_copy(void* to, const void* from, size_t size) noexcept;
extern "C" void kebound_on_signal(int signal, siginfo_t* info, void* context) noexcept;
extern "C" const char kebound_copy_slow[];
extern "C" const char kebound_copy_fault[];
extern "C" const char kebound_copy_resume[];
