// SPDX-License-Identifier: Apache-2.0
//
// An ordered program whose case runs in a process: pauses are the C library's, and failures are
// written where the program's side prints them.
#pragma once

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/conformance/ordered_program.h"

namespace kebound::conformance {

class HostedProgram : public OrderedProgram {
 public:
  using OrderedProgram::OrderedProgram;

  void fail(const char* file, int line, const char* what) override {
    __atomic_store_n(&shared().result, 1, __ATOMIC_RELEASE);
    char text[512];
    const int length = snprintf(text, sizeof text, "%s:%d: not so: %s\n", file, line, what);
    const auto size = static_cast<uint32_t>(length < 0 ? 0 : length < 511 ? length : 511);
    const uint32_t at = __atomic_fetch_add(&shared().messages_used, size, __ATOMIC_ACQ_REL);
    if (at + size <= kConformanceMessages) memcpy(shared().messages + at, text, size);
  }

 protected:
  ~HostedProgram() = default;

  void pause_briefly() final {
    const timespec interval = {0, 50'000};
    nanosleep(&interval, nullptr);
  }
};

}  // namespace kebound::conformance
