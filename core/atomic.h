// SPDX-License-Identifier: Apache-2.0
//
// A lock-free atomic over the compiler's builtins. libstdc++'s <atomic> drags hosted headers into a
// freestanding build, and core/ has to compile with kernel flags; the interface is std::atomic's.
#pragma once

#include <stdint.h>

namespace kebound {

enum class MemoryOrder : int {
  Relaxed = __ATOMIC_RELAXED,
  Acquire = __ATOMIC_ACQUIRE,
  Release = __ATOMIC_RELEASE,
  AcqRel = __ATOMIC_ACQ_REL,
  SeqCst = __ATOMIC_SEQ_CST,
};

template <class T>
class Atomic {
  static_assert(__atomic_always_lock_free(sizeof(T), nullptr),
                "core/ takes no lock behind an atomic");

 public:
  constexpr Atomic() noexcept = default;
  constexpr explicit Atomic(T value) noexcept : value_(value) {}
  Atomic(const Atomic&) = delete;
  Atomic& operator=(const Atomic&) = delete;

  [[nodiscard]] T load(MemoryOrder order = MemoryOrder::SeqCst) const noexcept {
    return __atomic_load_n(&value_, static_cast<int>(order));
  }
  void store(T value, MemoryOrder order = MemoryOrder::SeqCst) noexcept {
    __atomic_store_n(&value_, value, static_cast<int>(order));
  }
  T exchange(T value, MemoryOrder order = MemoryOrder::SeqCst) noexcept {
    return __atomic_exchange_n(&value_, value, static_cast<int>(order));
  }
  // On failure `expected` receives the value found, read with acquire order.
  bool compare_exchange(T& expected, T desired,
                        MemoryOrder success = MemoryOrder::SeqCst) noexcept {
    return __atomic_compare_exchange_n(&value_, &expected, desired, false,
                                       static_cast<int>(success), __ATOMIC_ACQUIRE);
  }
  T fetch_add(T value, MemoryOrder order = MemoryOrder::SeqCst) noexcept {
    return __atomic_fetch_add(&value_, value, static_cast<int>(order));
  }
  T fetch_or(T value, MemoryOrder order = MemoryOrder::SeqCst) noexcept {
    return __atomic_fetch_or(&value_, value, static_cast<int>(order));
  }
  T fetch_and(T value, MemoryOrder order = MemoryOrder::SeqCst) noexcept {
    return __atomic_fetch_and(&value_, value, static_cast<int>(order));
  }
  // The object itself, for a pal that waits on its address (futex).
  [[nodiscard]] const T* address() const noexcept { return &value_; }

 private:
  // i386 aligns 64-bit members to 4 bytes; one that straddles two cache lines is not read in one piece.
  alignas(sizeof(T)) T value_{};
};

}  // namespace kebound
