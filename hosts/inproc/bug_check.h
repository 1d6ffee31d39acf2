// SPDX-License-Identifier: Apache-2.0
//
// How a process ends when a callback says so, or did what no callback may.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace kebound::inproc {

// Kills the process; none of its handlers runs. Context: anywhere.
[[noreturn]] void kill_process() noexcept;

// NT's bug checks that can happen here.
inline constexpr uint32_t kUnexpectedKernelModeTrap = 0x7F;
inline constexpr uint32_t kLeftBehind = 0xCE;

struct BugCheck {
  uint32_t code = 0;
  uint64_t parameters[4] = {};
  uint64_t routine = 0;          // callback at fault, 0: none
  const char* explanation = "";  // one sentence without its end
};

// One record on standard error and in the ring, then an abort that the program cannot catch.
// Context: anywhere.
[[noreturn]] void bug_check(const BugCheck& what) noexcept;

// A line of text in a fixed buffer, for where there is no allocation. What does not fit is left
// out.
class Line {
 public:
  Line& text(const char* words) noexcept;
  Line& hex(uint64_t value) noexcept;
  Line& decimal(int64_t value) noexcept;
  // "libplugin.so+0x1190", or the plain address. Context: anywhere.
  Line& place(uint64_t address) noexcept;
  [[nodiscard]] const char* c_str() noexcept;

  // Writes it to standard error, with the end of a line, in one piece. errno is kept.
  void write() noexcept;

 private:
  void put(char c) noexcept {
    if (used_ < sizeof buffer_ - 2) buffer_[used_++] = c;
  }
  char buffer_[512];
  size_t used_ = 0;
};

}  // namespace kebound::inproc
