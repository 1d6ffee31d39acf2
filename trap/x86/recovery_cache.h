// SPDX-License-Identifier: Apache-2.0
//
// What is known about traps and checks that were seen before, and room for analysing new ones.
// Freestanding; one object serves any number of threads, signal handlers included.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "trap/x86/check_site.h"
#include "trap/x86/corrections.h"
#include "trap/x86/index_use.h"
#include "trap/x86/trap_site.h"

namespace kebound::x86 {

// A slot of the cache. Whoever reads it is counted, so that it is only filled anew when nobody
// does; a reader that is interrupted for ever keeps one slot from being used again, no more.
template <class T>
class CacheSlot {
 public:
  static constexpr uint32_t kEmpty = 0;  // with readers: forgotten while they read

  // Null unless the slot holds the value for `key`; otherwise release() is due.
  [[nodiscard]] const T* acquire(uint64_t key) noexcept {
    uint32_t word = __atomic_load_n(&word_, __ATOMIC_ACQUIRE);
    for (;;) {
      if ((word & kState) != kReady) return nullptr;
      if (__atomic_compare_exchange_n(&word_, &word, word + kReader, false, __ATOMIC_ACQUIRE,
                                      __ATOMIC_ACQUIRE)) {
        break;
      }
    }
    if (key_ == key) return &value_;
    release();
    return nullptr;
  }
  void release() noexcept { __atomic_fetch_sub(&word_, kReader, __ATOMIC_RELEASE); }

  // Null unless the slot is free; then the caller fills the value and publishes it.
  [[nodiscard]] T* claim() noexcept {
    uint32_t word = __atomic_load_n(&word_, __ATOMIC_RELAXED);
    if (word != kEmpty) return nullptr;
    return __atomic_compare_exchange_n(&word_, &word, kFilling, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED)
               ? &value_
               : nullptr;
  }
  // The publisher is a reader at once: release() is due.
  void publish(uint64_t key) noexcept {
    key_ = key;
    __atomic_store_n(&word_, kReady + kReader, __ATOMIC_RELEASE);
  }

  void forget(CodeRange range) noexcept {
    uint32_t word = __atomic_load_n(&word_, __ATOMIC_ACQUIRE);
    while ((word & kState) == kReady && range.contains(key_)) {
      if (__atomic_compare_exchange_n(&word_, &word, word & ~kState, false, __ATOMIC_ACQ_REL,
                                      __ATOMIC_ACQUIRE)) {
        return;
      }
    }
  }

 private:
  static constexpr uint32_t kState = 3;
  static constexpr uint32_t kFilling = 1;
  static constexpr uint32_t kReady = 2;
  static constexpr uint32_t kReader = 4;
  uint32_t word_;
  uint64_t key_;
  T value_;
};

// A few candidates for each key.
template <class T, size_t kSlots>
class CacheTable {
 public:
  static constexpr size_t kWays = 4;
  using Slot = CacheSlot<T>;

  [[nodiscard]] Slot* slot(uint64_t key, size_t way) noexcept {
    const uint64_t hash = key * 0x9e3779b97f4a7c15u >> 40;
    return &slots_[(hash + way) % kSlots];
  }
  void forget(CodeRange range) noexcept {
    for (Slot& slot : slots_) slot.forget(range);
  }

 private:
  Slot slots_[kSlots];
};

// All that an analysis works in; one thread at a time.
struct RecoveryRoom {
  uint32_t taken;  // 0: free
  FunctionCode code;
  CheckRoom check;
  TrapSite site;  // where the cache has no slot left
  CheckSite check_site;
};

class RecoveryCache {
 public:
  // The cache that zeroed static storage is: its constructor need not have run, which it could not
  // before anybody's first trap. Zero is the state of an empty slot and of a free room; all else is
  // written before it is read, by the thread that has claimed the one or taken the other.
  [[nodiscard]] static RecoveryCache& in_zeroed(void* storage) noexcept {
    static_assert(CacheSlot<TrapSite>::kEmpty == 0 && CacheSlot<CheckSite>::kEmpty == 0);
    static_assert(__has_trivial_destructor(RecoveryCache) && !__is_polymorphic(RecoveryCache));
    return *__builtin_launder(static_cast<RecoveryCache*>(storage));
  }

  static constexpr size_t kTraps = 64;
  static constexpr size_t kChecks = 256;
  static constexpr size_t kRooms = 2;

  // Null if all are taken.
  [[nodiscard]] RecoveryRoom* take_room() noexcept {
    for (RecoveryRoom& room : rooms_) {
      uint32_t free = 0;
      if (__atomic_compare_exchange_n(&room.taken, &free, 1, false, __ATOMIC_ACQUIRE,
                                      __ATOMIC_RELAXED)) {
        return &room;
      }
    }
    return nullptr;
  }
  static void give_back(RecoveryRoom& room) noexcept {
    __atomic_store_n(&room.taken, 0, __ATOMIC_RELEASE);
  }

  CacheTable<TrapSite, kTraps> traps;
  CacheTable<CheckSite, kChecks> checks;
  Corrections corrections;

 private:
  RecoveryRoom rooms_[kRooms];
};

}  // namespace kebound::x86
