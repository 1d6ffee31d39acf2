// SPDX-License-Identifier: Apache-2.0
//
// The interrupted thread's registers, once, for those who decode them and for callbacks: the public
// structure is laid out as the decoders' is.
#pragma once

#include <stddef.h>

#include "core/registry.h"
#include "include/kebound/abi.h"
#include "trap/x86/registers.h"

namespace kebound::inproc {

static_assert(sizeof(x86::Registers) <= sizeof(kebound_registers));
static_assert(offsetof(x86::Registers, rip) == offsetof(kebound_registers, ip));
static_assert(offsetof(x86::Registers, fs_base) == offsetof(kebound_registers, fs_base));
static_assert(offsetof(x86::Registers, cs) == offsetof(kebound_registers, cs));
static_assert(offsetof(x86::Registers, gs) == offsetof(kebound_registers, gs));

// On cache lines of its own, because of differ(). Its bytes are those of either member (gcc and
// clang both promise that of unions); it begins without a value.
union alignas(kCacheLine) RegisterImage {
  x86::Registers decoded;
  kebound_registers shown;

  RegisterImage() noexcept {}
};

// Asked after each callback of a chain, so it counts: all bytes in vector registers, without a
// branch.
[[gnu::always_inline]] inline bool differ(const RegisterImage& a, const RegisterImage& b) noexcept {
  using Vector [[gnu::vector_size(16), gnu::may_alias]] = long long;
  constexpr size_t kVectors = sizeof(kebound_registers) / sizeof(Vector);
  static_assert(sizeof(kebound_registers) % sizeof(Vector) == 0);
  const auto* const left = reinterpret_cast<const Vector*>(&a);
  const auto* const right = reinterpret_cast<const Vector*>(&b);
  Vector difference{};
#pragma GCC unroll 16
  for (size_t i = 0; i < kVectors; ++i) difference |= left[i] ^ right[i];
  return (difference[0] | difference[1]) != 0;
}

}  // namespace kebound::inproc
