// SPDX-License-Identifier: Apache-2.0
//
// What the NT face asks of the host it runs in. One host per process, set once before the first
// driver.
#pragma once

#include <stdint.h>

#include <string>
#include <string_view>

namespace kebound::nt {

struct Thread;

// NT's bug check codes that kebound raises (public values, Microsoft's bug check reference).
enum class BugCheckCode : uint32_t {
  IrqlNotLessOrEqual = 0x0A,
  MaximumWaitObjectsExceeded = 0x0C,
  SpinLockAlreadyOwned = 0x0F,
  SpinLockNotOwned = 0x10,
  BadPoolHeader = 0x19,
  KmodeExceptionNotHandled = 0x1E,
  PageFaultInNonpagedArea = 0x50,
  UnexpectedKernelModeTrap = 0x7F,
  BadPoolCaller = 0xC2,
  DriverVerifierDetectedViolation = 0xC4,
  TimerOrDpcInvalid = 0xC7,
  DriverUnloadedWithoutCancellingPendingOperations = 0xCE,
  ThreadTerminateHeldMutex = 0x4000008A,
};

// A bug check off Windows ends the host, not the machine.
struct BugCheck {
  uint32_t code = 0;
  uint64_t parameters[4] = {};
  std::string driver;       // base name of the driver's image, empty if none is at fault
  std::string callback;     // symbol or image+0xoffset of the routine concerned
  std::string explanation;  // one sentence
  uint64_t pid = 0;         // of the thread that took the exception, 0 if none
  uint64_t tid = 0;
};

// Something that Driver Verifier would object to, or that kebound's profile promises to report; the
// host goes on.
struct Violation {
  std::string rule;  // stable identifier: "self-deregistration", "deregistration-deadlock",
                     // "edit-without-handled", "registration-left-behind", "irql", ...
  std::string driver;
  std::string callback;
  std::string message;  // one sentence, names what and where
};

struct DebugOutput {
  std::string_view driver;  // base name of the caller's image, may be empty
  uint32_t component = 0;
  uint32_t level = 0;
  std::string_view text;
};

class Host {
 public:
  Host() = default;
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
  virtual ~Host() = default;

  virtual void debug_output(const DebugOutput& output) = 0;
  virtual void violation(const Violation& violation) = 0;
  // Ends the host. Does not return to the driver. Context: any thread that runs driver code.
  [[noreturn]] virtual void bug_check(const BugCheck& bug_check) = 0;
  // Whether driver code could read this address now (MmIsAddressValid). The default asks the kernel
  // about this process; a host that pages the target's memory in on faults overrides it. Context:
  // any thread that runs driver code.
  [[nodiscard]] virtual bool address_valid(uint64_t address);
};

void set_host(Host* host) noexcept;
[[nodiscard]] Host& host() noexcept;

}  // namespace kebound::nt
