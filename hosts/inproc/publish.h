// SPDX-License-Identifier: Apache-2.0
//
// Where the host's records go: into a ring in shared memory if one was named, or as lines to
// standard error. Nothing here waits or allocates.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"
#include "include/kebound/abi.h"
#include "trap/x86/registers.h"

namespace kebound::inproc {

struct BugCheck;

// What happened to one exception. Made only where somebody listens.
struct Answers {
  kebound_ring_answer entries[KEBOUND_RING_ANSWERS];
  uint32_t count = 0;  // asked; the first ones are lost when there were more than entries

  void add(const void* routine, RawAnswer answer, bool edited) noexcept {
    kebound_ring_answer& entry = entries[count++ % KEBOUND_RING_ANSWERS];
    entry.routine = reinterpret_cast<uintptr_t>(routine);
    entry.status = answer;
    entry.edited = edited;
  }
};

// True when records of exceptions go somewhere. Context: anywhere, as is all below.
extern bool g_publishing;
[[nodiscard]] inline bool is_publishing() noexcept { return g_publishing; }
[[nodiscard]] bool has_ring() noexcept;
// Null where there is none.
[[nodiscard]] kebound_ring_header* ring_header() noexcept;
// A line on standard error for each exception. Context: before the handlers are installed.
void set_text_report(bool on) noexcept;
// Which callback is the preload library's own. Context: as above.
void set_builtin_routine(const void* routine) noexcept;

void publish_exception(const kebound_event& event, const kebound_registers& before,
                       const kebound_registers& after, const Answers& answers, unsigned disposition,
                       const char* reason, const char* detail) noexcept;
void publish_bug_check(const BugCheck& what) noexcept;
// Something that is reported and goes on: on standard error where no ring is.
void report_violation(const char* rule, const char* message, uint64_t routine) noexcept;

// Opens the ring that `path` names; false when it is none. Context: not in a signal handler.
[[nodiscard]] bool open_ring(const char* path) noexcept;

}  // namespace kebound::inproc
