// SPDX-License-Identifier: Apache-2.0
//
// What a conformance case sees of the host that it runs in: a program with a few threads that can
// be told to run one BOUND with given registers, and that says what became of it. Everything else
// the case does as a driver, through the NT face: <ntddk.h> is the real one, or, in process, the
// small one of tests/conformance/inproc.
#pragma once

#include <ntddk.h>
#include <stdint.h>

namespace kebound::conformance {

inline constexpr unsigned kThreads = 4;

// The general registers of the program at its BOUND: `bound %eax, (%edx)`, edx is the host's to
// set.
struct ProgramRegisters {
  uint32_t eax = 0;
  uint32_t ecx = 0;
  uint32_t edx = 0;
  uint32_t ebx = 0;
  uint32_t esp = 0;
  uint32_t ebp = 0;
  uint32_t esi = 0;
  uint32_t edi = 0;
  uint32_t eflags = 0;
  bool operator==(const ProgramRegisters&) const = default;
};

enum class Flavour : uint8_t {
  Bound,            // a BOUND with good bounds
  NullDataSegment,  // DS is null: a general protection fault at the BOUND
  UnmappedBounds,   // edx points nowhere: a page fault at the BOUND
};

struct Exception {
  int32_t index = 12;
  int32_t lower = 0;
  int32_t upper = 9;
  uint32_t ecx = 0x11111111;
  uint32_t ebx = 0x22222222;
  uint32_t ebp = 0x33333333;
  uint32_t esi = 0x44444444;
  uint32_t edi = 0x55555555;
  bool own_handler = true;  // the program has a SIGSEGV handler
  Flavour flavour = Flavour::Bound;
};

struct Raised {
  enum class End : uint8_t {
    Behind,      // went on with the instruction behind the BOUND
    Elsewhere,   // went on at elsewhere_address()
    Propagated,  // the program's own SIGSEGV handler got it, or, without one, it died of SIGSEGV
    Terminated,  // the process ended and no handler of its own ran
  };
  End end = End::Terminated;
  ProgramRegisters registers;  // where it went on, or as its handler saw them
  uint32_t trap = 0;           // Propagated to a handler: the trap number in its context, 5 for #BR
};

class HostUnderTest {
 public:
  HostUnderTest() = default;
  HostUnderTest(const HostUnderTest&) = delete;
  HostUnderTest& operator=(const HostUnderTest&) = delete;

  // Lets a thread of the program run into its BOUND and returns; one at a time on each thread.
  virtual void start(unsigned thread, const Exception& exception) = 0;
  // Waits for what becomes of it. Also fails the case when nothing does within some seconds.
  virtual Raised wait(unsigned thread) = 0;
  Raised raise(unsigned thread, const Exception& exception = {}) {
    start(thread, exception);
    return wait(thread);
  }

  // Addresses in the program.
  [[nodiscard]] virtual uint64_t bound_address() const = 0;
  [[nodiscard]] virtual uint64_t elsewhere_address() const = 0;
  [[nodiscard]] virtual uint64_t bounds_address(unsigned thread) const = 0;
  // What PsGetCurrentProcessId/ThreadId must say on behalf of that thread.
  [[nodiscard]] virtual uint64_t process_id() const = 0;
  [[nodiscard]] virtual uint64_t thread_id(unsigned thread) const = 0;

  // The case's own driver object, as DriverEntry got it.
  [[nodiscard]] virtual DRIVER_OBJECT* driver_object() const = 0;

  // Allocations of the calling thread so far: on the fake host those by operator new, in process
  // all. 0 on the supervisor.
  [[nodiscard]] virtual uint64_t allocations() const { return 0; }

  // Records a failed expectation; the case goes on.
  virtual void fail(const char* file, int line, const char* what) = 0;

 protected:
  ~HostUnderTest() = default;
};

}  // namespace kebound::conformance
