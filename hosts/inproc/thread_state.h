// SPDX-License-Identifier: Apache-2.0
//
// What each thread that meets a bound exception needs: a dispatch context and what belongs to it.
// It is claimed from a pool at the thread's first exception and given back when the thread ends.
#pragma once

#include <pthread.h>
#include <stdint.h>

#include "core/livelock.h"
#include "hosts/inproc/machine.h"
#include "hosts/inproc/system.h"
#include "include/kebound/ke.h"
#include "include/kebound/kebound.h"
#include "rules/limits.h"
#include "trap/x86/registers.h"

namespace kebound::inproc {

// What a rule says of the exception that a thread is in.
struct RuleNote {
  uint32_t number = 0;  // counted from 1; 0: no rule decided
  bool is_reported = true;
  bool is_counted = true;
  uint8_t wanted = 0;  // KEBOUND_DISPOSITION_* that the rule's action comes to
  rules::RuleCounts* counts = nullptr;
};

struct alignas(kCacheLine) ThreadState {
  Context context;
  Atomic<uint64_t> owner{};  // thread id, 0 while nobody's
  LivelockGuard<x86::Registers> livelock;
  // What the callback that runs was given, for kebound_set_index(), and what it said there.
  const kebound_event* asked_event = nullptr;
  kebound_registers* asked_registers = nullptr;
  int64_t corrected_index = 0;
  // What the built-in policy did not do, and why; null: nothing. Static text, for the record.
  const char* refused = nullptr;
  const char* refused_because = nullptr;
  RuleNote rule;
  bool in_nt_callback = false;  // gs is kebound's
  uint64_t program_gs = 0;
  KTRAP_FRAME frame{};
  struct alignas(16) Kthread {
    KTHREAD thread;
    UCHAR rest[0x430 - sizeof(KTHREAD)];
  } kthread{};
  alignas(16) char kpcr[kKpcrSize] = {};
};

// The calling thread's state, null if it has none. Context: anywhere.
[[nodiscard]] ThreadState* current_thread_state() noexcept;

// The same; claims one if there is none. Null only when there is no memory for more than the pool's
// own 64. Context: anywhere.
[[nodiscard]] ThreadState* claim_thread_state(Registry& registry) noexcept;

// Finds the ends of threads, and forks. Once, before the first claim. Context: not in a signal
// handler.
void watch_threads(Registry& registry) noexcept;

// The innermost guard of the calling thread.
[[nodiscard]] kebound_guard*& innermost_guard() noexcept;

}  // namespace kebound::inproc
