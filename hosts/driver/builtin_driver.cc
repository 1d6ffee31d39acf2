// SPDX-License-Identifier: Apache-2.0
#include "hosts/driver/builtin_driver.h"

#include <algorithm>
#include <string>

#include "nt/facility.h"
#include "nt/report.h"
#include "trap/bound_event.h"
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

void refuse(const char* rule, std::string message) {
  nt::Violation violation;
  violation.rule = rule;
  violation.driver = builtin().image.name;
  violation.message = std::move(message);
  nt::host().violation(violation);
}

[[nodiscard]] BOUND_CALLBACK_STATUS clamp(nt::Thread& thread) {
  const BoundEvent& event = *thread.event;
  KTRAP_FRAME& frame = *thread.kthread.TrapFrame;
  if (event.lower > event.upper) {
    refuse("clamp-refused",
           "clamp refused: bounds are reversed (lower " + std::to_string(event.lower) + ", upper " +
               std::to_string(event.upper) + ") at " + nt::hex(event.ip) + ", so no index passes");
    return BoundExceptionContinueSearch;
  }
  if (event.confidence != Confidence::Certain || !event.resumable) {
    const std::string why =
        event.doubt == Doubt::None ? "" : std::string(": ") + doubt_text(event.doubt);
    refuse("clamp-refused", event.confidence != Confidence::Certain
                                ? "clamp refused: the index at " + nt::hex(event.ip) +
                                      " is not known for certain" + why
                                : "clamp refused: the check at " + nt::hex(event.ip) +
                                      " cannot be executed again" + why);
    return BoundExceptionContinueSearch;
  }
  const int64_t nearest = event.index < event.lower ? event.lower : event.upper;
  ULONG64* const index =
      event.index_address == 0 ? frame_register(frame, event.index_register) : nullptr;
  // BOUND's index is always in the frame. Elsewhere the host knows all the places it is in.
  if (event.source == BoundSource::X86Bound && index != nullptr) {
    write_register(*index, nearest, event.index_width);
  } else {
    thread.corrected_index = nearest;
  }
  return BoundExceptionHandled;
}

[[nodiscard]] BOUND_CALLBACK_STATUS skip(const BoundEvent& event, KTRAP_FRAME& frame) {
  if (event.source != BoundSource::X86Bound || event.instruction_length == 0) {
    refuse("skip-refused", "skip refused: there is no BOUND to step over at " + nt::hex(event.ip));
    return BoundExceptionContinueSearch;
  }
  frame.Rip += event.instruction_length;
  return BoundExceptionHandled;
}

// The event is the facility's own description of what this thread is in; drivers have to decode for
// themselves.
[[nodiscard]] nt::Thread& self() noexcept { return *nt::current_thread(); }

KEBOUND_BUILTIN_CODE BOUND_CALLBACK_STATUS on_bound_propagate() {
  return BoundExceptionContinueSearch;
}
KEBOUND_BUILTIN_CODE BOUND_CALLBACK_STATUS on_bound_clamp() { return clamp(self()); }
KEBOUND_BUILTIN_CODE BOUND_CALLBACK_STATUS on_bound_skip() {
  return skip(*self().event, *self().kthread.TrapFrame);
}
KEBOUND_BUILTIN_CODE BOUND_CALLBACK_STATUS on_bound_terminate() { return BoundExceptionError; }

struct Policy {
  OnBound policy;
  const char* name;
  PBOUND_CALLBACK callback;
};
constexpr Policy kPolicies[] = {
    {OnBound::Propagate, "propagate", &on_bound_propagate},
    {OnBound::Clamp, "clamp", &on_bound_clamp},
    {OnBound::Skip, "skip", &on_bound_skip},
    {OnBound::Terminate, "terminate", &on_bound_terminate},
};

}  // namespace

bool install_builtin_driver(OnBound policy) {
  Builtin& driver = builtin();
  if (driver.handle != nullptr) return false;
  nt::Image& image = driver.image;
  if (image.executable_count == 0) {
    image.name = "builtin";
    image.base = nt::address_of(__start_kebound_builtin);
    image.end = nt::address_of(__stop_kebound_builtin);
    image.executable[image.executable_count++] = {image.base, image.end};
    for (const Policy& entry : kPolicies) {
      image.symbols.push_back({reinterpret_cast<uint64_t>(entry.callback), 0, entry.name});
    }
    std::sort(image.symbols.begin(), image.symbols.end(),
              [](const auto& a, const auto& b) { return a.address < b.address; });
  }
  nt::Facility::add_image(&image);
  for (const Policy& entry : kPolicies) {
    if (entry.policy == policy) driver.handle = KeRegisterBoundCallback(entry.callback);
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
