// SPDX-License-Identifier: Apache-2.0
//
// Between the kernel and who uses it: a test's main program.
#pragma once

#include <stdint.h>

#include <string>

#include "core/livelock.h"
#include "nt/facility.h"
#include "nt/host.h"

namespace kebound::bare {

// ---- what its user defines ----

// The first thread, when everything has been started. Interrupts are on. May return: the machine
// is left with status 0.
void kernel_run();
// After the bug check's line has been written. Off Windows a bug check ends the host.
[[noreturn]] void kernel_stopped();
// Each millisecond. Context: the timer's interrupt.
void kernel_tick(int64_t now_ns) noexcept;

// ---- what it may use ----

// One line on the serial line: "@log [ms] kebound: TEXT".
void log_line(const std::string& text);
// A line as it is.
void print_line(const std::string& text);

struct Settings {
  uint64_t livelock_limit = kDefaultLivelockLimit;
};
extern constinit Settings g_settings;

// The objects that kernel.ld puts into the driver's part, as an image of that name. Its symbols are
// the kernel's, so that "name+0x12" is 0x12 behind BARE_BASE.
void describe_driver(nt::Image& image, const char* name);

}  // namespace kebound::bare
