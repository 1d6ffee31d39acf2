// SPDX-License-Identifier: Apache-2.0
#include "hosts/driver/builtin_driver.h"

#include <algorithm>
#include <string>

#include "hosts/driver/policy.h"
#include "nt/facility.h"
#include "nt/report.h"
#include "trap/bound_event.h"
#include "trap/builtin_answers.h"
#include "trap/x86/registers.h"

// The callbacks have a section of their own: it is the executable range of the built-in driver's
// image, and nothing else of the program is taken for driver code.
#define KEBOUND_BUILTIN_CODE __attribute__((section("kebound_builtin"), noinline, used))
extern "C" const char __start_kebound_builtin[];
extern "C" const char __stop_kebound_builtin[];

namespace kebound::driver {

namespace {

struct Builtin {
  nt::Image image;
  PVOID handle = nullptr;
  OnBound fallback = OnBound::Propagate;  // where no rule says something
};

Builtin& builtin() {
  static auto* instance = new Builtin;
  return *instance;
}

// Where the frame keeps the register with this number, null if it does not.
[[nodiscard]] ULONG64* frame_register(KTRAP_FRAME& frame, uint8_t number) noexcept {
  switch (number) {
    case x86::Rax:
      return &frame.Rax;
    case x86::Rcx:
      return &frame.Rcx;
    case x86::Rdx:
      return &frame.Rdx;
    case x86::Rbx:
      return &frame.Rbx;
    case x86::Rsp:
      return &frame.Rsp;
    case x86::Rbp:
      return &frame.Rbp;
    case x86::Rsi:
      return &frame.Rsi;
    case x86::Rdi:
      return &frame.Rdi;
    case x86::R8:
      return &frame.R8;
    case x86::R9:
      return &frame.R9;
    case x86::R10:
      return &frame.R10;
    case x86::R11:
      return &frame.R11;
    default:
      return nullptr;
  }
}

// A 16-bit write leaves the upper half as it is; a 32-bit one clears the upper half, as the
// processor does.
void write_register(ULONG64& target, int64_t value, uint8_t width) noexcept {
  if (width == 16) {
    target = (target & ~uint64_t{0xffff}) | (static_cast<uint64_t>(value) & 0xffff);
  } else {
    target = width == 32 ? static_cast<uint64_t>(value) & 0xffffffff : static_cast<uint64_t>(value);
  }
}

// Said in the exception's record. Where the host carries none, the verifier says it.
[[nodiscard]] BOUND_CALLBACK_STATUS refuse(nt::Thread& thread, const char* what, const char* why) {
  std::string message = std::string(what) + " refused: " + why;
  if (auto* const advice = static_cast<Advice*>(thread.advice)) {
    advice->refusal = std::move(message);
    return BoundExceptionContinueSearch;
  }
  nt::Violation violation;
  violation.rule = "policy-refused";
  violation.driver = builtin().image.name;
  violation.message = std::move(message);
  nt::host().violation(violation);
  return BoundExceptionContinueSearch;
}

[[nodiscard]] BOUND_CALLBACK_STATUS clamp(nt::Thread& thread) {
  const BoundEvent& event = *thread.event;
  KTRAP_FRAME& frame = *thread.kthread.TrapFrame;
  const ClampAnswer answer = answer_of_clamp(event);
  if (answer.refusal != nullptr) return refuse(thread, "clamp", answer.refusal);
  ULONG64* const index =
      event.index_address == 0 ? frame_register(frame, event.index_register) : nullptr;
  // BOUND's index is always in the frame. Elsewhere the host knows all the places it is in.
  if (event.source == BoundSource::X86Bound && index != nullptr) {
    write_register(*index, answer.index, event.index_width);
  } else {
    thread.corrected_index = answer.index;
  }
  return BoundExceptionHandled;
}

[[nodiscard]] BOUND_CALLBACK_STATUS skip(nt::Thread& thread) {
  const BoundEvent& event = *thread.event;
  if (const char* const why = refusal_of_skip(event)) return refuse(thread, "skip", why);
  thread.kthread.TrapFrame->Rip += event.instruction_length;
  return BoundExceptionHandled;
}

// The event is the facility's own description of what this thread is in; drivers have to decode for
// themselves.
[[nodiscard]] nt::Thread& self() noexcept { return *nt::current_thread(); }

KEBOUND_BUILTIN_CODE BOUND_CALLBACK_STATUS on_bound_propagate() {
  return BoundExceptionContinueSearch;
}
KEBOUND_BUILTIN_CODE BOUND_CALLBACK_STATUS on_bound_clamp() { return clamp(self()); }
KEBOUND_BUILTIN_CODE BOUND_CALLBACK_STATUS on_bound_skip() { return skip(self()); }
KEBOUND_BUILTIN_CODE BOUND_CALLBACK_STATUS on_bound_terminate() { return BoundExceptionError; }

[[nodiscard]] BOUND_CALLBACK_STATUS act(OnBound action) {
  switch (action) {
    case OnBound::Propagate:
      break;
    case OnBound::Clamp:
      return clamp(self());
    case OnBound::Skip:
      return skip(self());
    case OnBound::Terminate:
      return BoundExceptionError;
  }
  return BoundExceptionContinueSearch;
}

[[nodiscard]] BOUND_CALLBACK_STATUS by_rules() {
  auto* const advice = static_cast<Advice*>(self().advice);
  if (advice == nullptr || advice->match == nullptr) return act(builtin().fallback);
  advice->decision = advice->match->decide();
  advice->was_asked = true;
  return act(advice->decision.action);
}

KEBOUND_BUILTIN_CODE BOUND_CALLBACK_STATUS on_bound_rules() { return by_rules(); }

struct Entry {
  OnBound policy;
  const char* name;
  PBOUND_CALLBACK callback;
};
constexpr Entry kPolicies[] = {
    {OnBound::Propagate, "propagate", &on_bound_propagate},
    {OnBound::Clamp, "clamp", &on_bound_clamp},
    {OnBound::Skip, "skip", &on_bound_skip},
    {OnBound::Terminate, "terminate", &on_bound_terminate},
};

}  // namespace

bool install_builtin_driver(OnBound policy, bool with_rules) {
  Builtin& driver = builtin();
  if (driver.handle != nullptr) return false;
  nt::Image& image = driver.image;
  if (image.executable_count == 0) {
    image.name = "builtin";
    image.base = nt::address_of(__start_kebound_builtin);
    image.end = nt::address_of(__stop_kebound_builtin);
    image.executable[image.executable_count++] = {image.base, image.end};
    for (const Entry& entry : kPolicies) {
      image.symbols.push_back({reinterpret_cast<uint64_t>(entry.callback), 0, entry.name});
    }
    image.symbols.push_back({reinterpret_cast<uint64_t>(&on_bound_rules), 0, "rules"});
    std::sort(image.symbols.begin(), image.symbols.end(),
              [](const auto& a, const auto& b) { return a.address < b.address; });
  }
  nt::Facility::add_image(&image);
  driver.fallback = policy;
  if (with_rules) {
    driver.handle = KeRegisterBoundCallback(&on_bound_rules);
  } else {
    for (const Entry& entry : kPolicies) {
      if (entry.policy == policy) driver.handle = KeRegisterBoundCallback(entry.callback);
    }
  }
  if (driver.handle == nullptr) nt::Facility::remove_image(&image);
  return driver.handle != nullptr;
}

void remove_builtin_driver() {
  Builtin& driver = builtin();
  if (driver.handle == nullptr) return;
  static_cast<void>(KeDeregisterBoundCallback(driver.handle));
  driver.handle = nullptr;
  nt::Facility::remove_image(&driver.image);
}

}  // namespace kebound::driver
