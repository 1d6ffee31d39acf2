// SPDX-License-Identifier: Apache-2.0
//
// What tests of the NT face stand on: a host that remembers what it was told, and a test thread
// that is an NT thread.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "include/nt/wdm.h"
#include "nt/facility.h"
#include "nt/host.h"
#include "nt/pthread_parker.h"
#include "nt/thread.h"
#include "trap/bound_event.h"

namespace kebound::nt::testing {

// A bug check unwinds to whoever expects it; the routines of the NT face hold no lock when they
// raise one.
struct Raised {
  BugCheck record;
};

class RecordingHost final : public Host {
 public:
  void debug_output(const DebugOutput& output) override {
    const std::lock_guard lock(mutex_);
    text_ += output.text;
    driver_ = output.driver;
  }
  void violation(const Violation& violation) override {
    const std::lock_guard lock(mutex_);
    violations_.push_back(violation);
  }
  [[noreturn]] void bug_check(const BugCheck& record) override { throw Raised{record}; }

  [[nodiscard]] std::vector<Violation> take_violations() {
    const std::lock_guard lock(mutex_);
    return std::exchange(violations_, {});
  }
  [[nodiscard]] std::string take_text() {
    const std::lock_guard lock(mutex_);
    return std::exchange(text_, {});
  }
  [[nodiscard]] std::string driver() {
    const std::lock_guard lock(mutex_);
    return driver_;
  }

 private:
  std::mutex mutex_;
  std::vector<Violation> violations_;
  std::string text_;
  std::string driver_;
};

// Another NT thread for the calling host thread, once per host thread. Its Thread is never freed,
// as attach() asks.
Thread& become_nt_thread();

// The test program as a driver's image, named "test".
Image& test_image();

class NtTest : public ::testing::Test {
 protected:
  NtTest();
  ~NtTest() override;

  // The bug check that `body` raises; a failed test and code 0 if it raises none.
  static BugCheck bug_check_of(const std::function<void()>& body);
  // The rules of all violations so far, taken.
  std::vector<std::string> take_rules();

  RecordingHost host_;
  Thread& thread_;
};

[[nodiscard]] inline LARGE_INTEGER relative_ms(int64_t ms) {
  LARGE_INTEGER time;
  time.QuadPart = -ms * 10'000;
  return time;
}

}  // namespace kebound::nt::testing
