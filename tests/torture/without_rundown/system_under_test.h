// SPDX-License-Identifier: Apache-2.0
//
// A mutant that the torture test has to catch: deregistration believes that no thread dispatches,
// so it never waits. (R3 is the registry's only seq_cst load of a 32-bit atomic.)
#pragma once

#include "core/registry.h"

namespace kebound::torture {

template <class T>
struct BlindAtomic : Atomic<T> {
  using Atomic<T>::Atomic;
};

template <>
struct BlindAtomic<uint32_t> : Atomic<uint32_t> {
  [[nodiscard]] uint32_t load(MemoryOrder order = MemoryOrder::SeqCst) const noexcept {
    return order == MemoryOrder::SeqCst ? 0 : Atomic<uint32_t>::load(order);
  }
};

struct SystemUnderTest : HostSystem {
  template <class T>
  using Atomic = BlindAtomic<T>;
};

}  // namespace kebound::torture
