// SPDX-License-Identifier: Apache-2.0
//
// How the routines of the NT face complain: whose code it was is found from an address in it.
#pragma once

#include <stdint.h>

#include <string>
#include <string_view>

#include "nt/facility.h"
#include "nt/host.h"

namespace kebound::nt {

// The driver that `address` (a return address mostly) belongs to, or else the one whose code the
// running thread is in (a driver that calls us last thing in a function leaves no return address).
// Null if neither.
[[nodiscard]] const Image* image_at(uint64_t address) noexcept;
[[nodiscard]] inline std::string_view name_of(const Image* image) noexcept {
  return image != nullptr ? std::string_view(image->name) : std::string_view();
}

[[nodiscard]] std::string hex(uint64_t value);

struct BugCheckParameters {
  uint64_t p1 = 0;
  uint64_t p2 = 0;
  uint64_t p3 = 0;
  uint64_t p4 = 0;
};
// Fills in driver, callback and thread, and tells the host. `address`: in the driver's code.
[[noreturn]] void raise_bug_check(BugCheckCode code, const BugCheckParameters& parameters,
                                  uint64_t address, std::string explanation);
// What raises an exception on NT is, with no handler around it, this bug check.
[[noreturn]] void raise_status(NTSTATUS status, uint64_t address, std::string explanation);
void report_violation(std::string_view rule, uint64_t address, std::string message);

// The address that the running function returns to. A macro: it must be evaluated in the exported
// routine itself.
#define KEBOUND_CALLER() (reinterpret_cast<uint64_t>(__builtin_return_address(0)))

[[nodiscard]] inline uint64_t address_of(const volatile void* pointer) noexcept {
  return reinterpret_cast<uint64_t>(pointer);
}

}  // namespace kebound::nt
