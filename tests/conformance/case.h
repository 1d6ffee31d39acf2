// SPDX-License-Identifier: Apache-2.0
//
// How a case is written: CASE("Name", "line of the contract", "claim", traits) { body }. Macro and
// name stand on one line, because CMakeLists.txt finds them there. CASE is for all hosts; the
// others are for what some host cannot be made to do, and their traits say why.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "tests/conformance/host_under_test.h"

namespace kebound::conformance {

// What a case needs and what the host must have said when it is over.
struct Traits {
  bool windows = false;           // the `windows` profile
  bool integrity_note = false;    // the driver's image is marked /INTEGRITYCHECK from the beginning
  int64_t livelock_limit = -1;    // -1: the default
  uint32_t bug_check = 0;         // the host must stop with this code
  uint64_t bug_parameter = 0;     // and this first parameter
  const char* bug_callback = "";  // and name this routine; "": none need be named
  const char* violation = "";     // rule that must be reported at least once; nothing else may be
  const char* violation_names = "";  // what the violation's text must name
  const char* reason = "";        // words that the last exception's record must give as its reason
  bool entry_fails = false;       // DriverEntry returns a failure status
  NTSTATUS (*entry)() = nullptr;  // runs within DriverEntry
  void (*unload)() = nullptr;     // runs within DriverUnload
  void (*gone)() = nullptr;       // runs when the host is through with the image
  bool fatal = false;             // the program is to die of an exception, and the case to go on
  const char* why_not = "";       // on every host

  constexpr Traits in_windows_profile() const {
    auto t = *this;
    t.windows = true;
    return t;
  }
  constexpr Traits marked() const {
    auto t = *this;
    t.integrity_note = true;
    return t;
  }
  constexpr Traits livelock(int64_t limit) const {
    auto t = *this;
    t.livelock_limit = limit;
    return t;
  }
  constexpr Traits stops(uint32_t code, uint64_t parameter, const char* callback = "") const {
    auto t = *this;
    t.bug_check = code;
    t.bug_parameter = parameter;
    t.bug_callback = callback;
    return t;
  }
  constexpr Traits reports(const char* rule, const char* names = "") const {
    auto t = *this;
    t.violation = rule;
    t.violation_names = names;
    return t;
  }
  constexpr Traits gives_reason(const char* words) const {
    auto t = *this;
    t.reason = words;
    return t;
  }
  constexpr Traits in_entry(NTSTATUS (*hook)()) const {
    auto t = *this;
    t.entry = hook;
    return t;
  }
  constexpr Traits entry_failing(NTSTATUS (*hook)()) const {
    auto t = *this;
    t.entry = hook;
    t.entry_fails = true;
    return t;
  }
  constexpr Traits in_unload(void (*hook)()) const {
    auto t = *this;
    t.unload = hook;
    return t;
  }
  constexpr Traits when_gone(void (*hook)()) const {
    auto t = *this;
    t.gone = hook;
    return t;
  }
  constexpr Traits kills() const {
    auto t = *this;
    t.fatal = true;
    return t;
  }
  constexpr Traits because(const char* why) const {
    auto t = *this;
    t.why_not = why;
    return t;
  }
};

inline constexpr Traits kPlain;
inline constexpr uint64_t kAnyParameter = ~uint64_t{0};

inline constexpr unsigned kFake = 1;
inline constexpr unsigned kSupervisor = 2;
inline constexpr unsigned kInproc64 = 4;
inline constexpr unsigned kInproc32 = 8;
inline constexpr unsigned kInproc = kInproc64 | kInproc32;
// Less the cases that tests/module/not_in_module.py names.
inline constexpr unsigned kModule = 16;
inline constexpr unsigned kKernel = kSupervisor | kModule;

struct Case {
  const char* name;
  const char* line;
  const char* claim;
  unsigned hosts;
  Traits traits;
  void (*body)(HostUnderTest& host);
  const Case* next;
};

// All cases of this image, in no order that matters.
const Case*& first_case();
const Case* find_case(const char* name);

struct Registrar {
  explicit Registrar(Case& added) {
    added.next = first_case();
    first_case() = &added;
  }
};

// The host of the case that runs; one case per process.
HostUnderTest*& running_host();
inline HostUnderTest& host_now() { return *running_host(); }

#define KEBOUND_JOIN2(a, b) a##b
#define KEBOUND_JOIN(a, b) KEBOUND_JOIN2(a, b)
#define KEBOUND_CASE(hosts, name, contract_line, claim, traits)                                 \
  static void KEBOUND_JOIN(case_body_, __LINE__)(::kebound::conformance::HostUnderTest&);       \
  static ::kebound::conformance::Case KEBOUND_JOIN(case_, __LINE__) = {                         \
      name, contract_line, claim, hosts, traits, &KEBOUND_JOIN(case_body_, __LINE__), nullptr}; \
  static const ::kebound::conformance::Registrar KEBOUND_JOIN(                                  \
      case_registrar_, __LINE__)(KEBOUND_JOIN(case_, __LINE__));                                \
  static void KEBOUND_JOIN(                                                                     \
      case_body_, __LINE__)([[maybe_unused]] ::kebound::conformance::HostUnderTest & host)

#define CASE(name, contract_line, claim, traits)                                 \
  KEBOUND_CASE(::kebound::conformance::kFake | ::kebound::conformance::kKernel | \
                   ::kebound::conformance::kInproc,                              \
               name, contract_line, claim, traits)
// Of what a kernel has and a process has not.
#define KERNEL_CASE(name, contract_line, claim, traits)                               \
  KEBOUND_CASE(::kebound::conformance::kFake | ::kebound::conformance::kKernel, name, \
               contract_line, claim, traits)
// Not where the case runs beside the program and not in it.
#define LOCAL_CASE(name, contract_line, claim, traits)                                \
  KEBOUND_CASE(::kebound::conformance::kFake | ::kebound::conformance::kInproc, name, \
               contract_line, claim, traits)
// Not where exceptions are only told, not raised.
#define REAL_TRAP_CASE(name, contract_line, claim, traits)                              \
  KEBOUND_CASE(::kebound::conformance::kKernel | ::kebound::conformance::kInproc, name, \
               contract_line, claim, traits)
// Not in 32-bit processes.
#define X64_CASE(name, contract_line, claim, traits)                             \
  KEBOUND_CASE(::kebound::conformance::kFake | ::kebound::conformance::kKernel | \
                   ::kebound::conformance::kInproc64,                            \
               name, contract_line, claim, traits)

#define EXPECT(condition) \
  ((condition) ? (void)0 : ::kebound::conformance::host_now().fail(__FILE__, __LINE__, #condition))
#define REQUIRE(condition)                                                     \
  do {                                                                         \
    if (!(condition)) {                                                        \
      ::kebound::conformance::host_now().fail(__FILE__, __LINE__, #condition); \
      return;                                                                  \
    }                                                                          \
  } while (false)

}  // namespace kebound::conformance
