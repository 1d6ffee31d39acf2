// SPDX-License-Identifier: Apache-2.0
//
// How the tracing thread sleeps while something else than a stop may concern it.
#pragma once

#include <stdint.h>

namespace kebound::supervisor {

// Blocks SIGCHLD in the calling thread, and so in every thread it makes from now on, and makes it
// the one that wake_tracing_thread() wakes. waitpid() alone sleeps well
// while only stops matter; while callbacks are parked the thread polls and sleeps in
// sigtimedwait(), which a wake-up cannot slip past.
void become_tracing_thread() noexcept;

// Ends the tracing thread's sleep. Context: any thread, signal handlers too.
void wake_tracing_thread() noexcept;

// Ends a sleep in waitpid(), too, or the next system call that waits. One that comes just before
// the thread goes to sleep is lost: for callers that repeat it until it has had its effect.
// Context: any thread.
void interrupt_tracing_thread() noexcept;

// Sleeps until a child stops or ends, until woken, or until CLOCK_MONOTONIC reaches the deadline.
void sleep_until(int64_t deadline_ns) noexcept;

}  // namespace kebound::supervisor
