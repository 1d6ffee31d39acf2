// SPDX-License-Identifier: Apache-2.0
//
// What numbers are called in reports.
#pragma once

#include <stdint.h>

#include <string>
#include <string_view>
#include <vector>

#include "events/record.h"

namespace kebound::report {

// "BoundExceptionHandled"; a value that has no name as "0x00000007".
[[nodiscard]] std::string answer_name(uint32_t status);
// "UNEXPECTED_KERNEL_MODE_TRAP"; null for codes that kebound has no name for.
[[nodiscard]] const char* bug_check_name(uint32_t code) noexcept;

// True if the code at the exception is 64-bit code.
[[nodiscard]] bool is_64bit_code(const events::BoundException& exception) noexcept;

struct RegisterValue {
  const char* name;  // "eax" in 32-bit code, "rax" in 64-bit code
  uint64_t value;
};
inline constexpr size_t kMaxRegisters = 26;
// The registers that the kind of code has, general registers first, always in the same order; fills
// `out` with at most kMaxRegisters, returns how many.
size_t list_registers(const x86::Registers& registers, bool is_64bit, RegisterValue* out) noexcept;

// Sets the register of that name; false if there is none, or it is too narrow for the value.
[[nodiscard]] bool set_register(x86::Registers& registers, std::string_view name, bool is_64bit,
                                uint64_t value) noexcept;

// The register that holds the index, at the width of the comparison: "eax", "ax"; "" if it is none.
[[nodiscard]] const char* index_register_name(const BoundEvent& event) noexcept;
// The reverse: fills register and, if that is 0, width. False for a name that is none.
[[nodiscard]] bool set_index_register(BoundEvent& event, std::string_view name) noexcept;
// Its value as the check sees it.
[[nodiscard]] int64_t index_register_value(const BoundEvent& event,
                                           const x86::Registers& registers) noexcept;

}  // namespace kebound::report
