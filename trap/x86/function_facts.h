// SPDX-License-Identifier: Apache-2.0
//
// What debug information and symbols say of a function, as far as the recovery of a check asks for
// it. Freestanding.
#pragma once

#include <stdint.h>

namespace kebound::x86 {

enum class Compiler : uint8_t { Unknown, Gcc, Clang };

// Who else may call it.
enum class Linkage : uint8_t {
  Unknown,
  Local,  // the compiler may have seen all callers
  Global  // another file may: the compiler knows nothing about what it is given
};

// Whether the compiler was told to check indices, with a trap for what fails.
enum class IndexChecks : uint8_t { Unknown, No, Yes };

// A number that lies in a register when the function begins.
struct RegisterParameter {
  uint8_t bits = 0;  // of its type, which is an integer's; 0: none is known to lie there
  bool is_signed = false;

  bool operator==(const RegisterParameter&) const = default;
};

struct FunctionFacts {
  Compiler compiler = Compiler::Unknown;
  IndexChecks checks = IndexChecks::Unknown;
  Linkage linkage = Linkage::Unknown;
  uint16_t version = 0;              // of the compiler, the first number of it; 0: not known
  RegisterParameter parameters[16];  // by Gpr

  bool operator==(const FunctionFacts&) const = default;
};

// Of facts that another process has found. Nothing else is believed.
[[nodiscard]] constexpr bool are_sound(const FunctionFacts& facts) noexcept {
  bool sound = facts.compiler <= Compiler::Clang && facts.checks <= IndexChecks::Yes &&
               facts.linkage <= Linkage::Global;
  for (const RegisterParameter& one : facts.parameters) sound &= one.bits <= 64;
  return sound;
}

// How the recovery learns about the function that begins at `address`: false where nothing is known
// of it; null: nobody can be asked. It may take its time: it is asked once for a check, and only
// about those that the code leaves open. Context: as recover_check().
struct FunctionFactsLookup {
  void* self = nullptr;
  bool (*find)(void* self, uint64_t address, FunctionFacts& out) noexcept = nullptr;
};

}  // namespace kebound::x86
