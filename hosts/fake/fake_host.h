// SPDX-License-Identifier: Apache-2.0
//
// A host without a program: its threads are pthreads that take bound exceptions when they are told
// to. For schedules that no real program can be forced into, and for tests that want no ptrace.
#pragma once

#include <stdint.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/livelock.h"
#include "nt/facility.h"
#include "nt/host.h"
#include "trap/x86/bound.h"
#include "trap/x86/registers.h"

namespace kebound::fake {

inline constexpr uint64_t kProcessId =
    4000;  // of the program that does not exist; its threads follow

struct Options {
  nt::Profile profile = nt::Profile::Default;
  uint64_t livelock_limit = kDefaultLivelockLimit;
  unsigned threads = 4;  // of the program
};

// What became of a thread that was let run.
struct Outcome {
  enum class Ending : uint8_t {
    Resumed,     // it passed its BOUND, or went on where a callback sent it
    Propagated,  // the stop is the program's own business: `verdict` says what kind it was
    Terminated,  // the process was ended, by Error, by the livelock guard, or on another thread
    HostDead,    // a bug check ended the host; nothing of this thread runs any more
  };
  Ending ending = Ending::HostDead;
  x86::Registers registers;
  x86::BoundVerdict verdict = x86::BoundVerdict::NotBound;
  uint64_t exceptions = 0;  // bound exceptions dispatched on the way
  std::string reason;       // Terminated: why, if not by a callback's answer
};

// One per process; sets itself as nt::host(). A bug check ends it: the thread that raised it never
// runs again, and whoever waits is told HostDead. (Nothing jumps out of driver code: its frames
// stay as they are.)
class FakeHost final : public nt::Host {
 public:
  explicit FakeHost(const Options& options);
  ~FakeHost() override;

  // Runs `fn` as driver code on a thread of its own and waits for it. False if the host died
  // meanwhile.
  [[nodiscard]] bool run_driver_code(void (*fn)(void*), void* argument);

  // Lets thread `thread` run with these registers. Called on that very thread (from a callback) it
  // runs at once, nested. Context: any thread; one run at a time on each thread.
  void start(unsigned thread, const x86::Registers& registers);
  // Waits for the end of what start() began. Context: any thread.
  [[nodiscard]] Outcome wait(unsigned thread);
  [[nodiscard]] Outcome raise(unsigned thread, const x86::Registers& registers) {
    start(thread, registers);
    return wait(thread);
  }

  // The program's memory, below 4 GiB and readable through pointers from the frame.
  [[nodiscard]] uint64_t bound_address() const noexcept { return code_; }  // `bound %eax, (%edx)`
  [[nodiscard]] uint64_t elsewhere_address() const noexcept { return code_ + 0x100; }
  [[nodiscard]] uint64_t bounds_address(unsigned thread) const noexcept {
    return data_ + 16 * uint64_t{thread};
  }
  [[nodiscard]] uint64_t unmapped_address() const noexcept { return data_ + kPage; }
  void set_bounds(unsigned thread, int32_t lower, int32_t upper) noexcept;
  // Flat 32-bit registers at the BOUND; the rest is the caller's.
  [[nodiscard]] x86::Registers registers_at_bound(unsigned thread, int32_t index) const noexcept;

  // What was said so far.
  [[nodiscard]] std::vector<nt::Violation> violations() const;
  [[nodiscard]] std::string output() const;
  [[nodiscard]] std::optional<nt::BugCheck> bug_check_record() const;

  // nt::Host
  void debug_output(const nt::DebugOutput& output) override;
  void violation(const nt::Violation& violation) override;
  [[noreturn]] void bug_check(const nt::BugCheck& bug_check) override;

 private:
  static constexpr uint64_t kPage = 4096;
  struct State;
  struct ProgramThread;
  Outcome run(ProgramThread& thread, x86::Registers registers);

  const Options options_;
  uint64_t code_ = 0;
  uint64_t data_ = 0;
  std::unique_ptr<State> state_;
};

// An image that stands for the running program itself, so that its functions can be callbacks.
// `loader_entry` as in nt::Image.
[[nodiscard]] nt::Image program_image(void* loader_entry);

}  // namespace kebound::fake
