// SPDX-License-Identifier: Apache-2.0
//
// What one recovery holds of the cache, and gives back at its end. Freestanding.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "trap/x86/recovery_cache.h"

namespace kebound::x86 {

// A room that is taken when it is first needed.
class RoomLease {
 public:
  explicit RoomLease(RecoveryCache& cache) noexcept : cache_(cache) {}
  RoomLease(const RoomLease&) = delete;
  RoomLease& operator=(const RoomLease&) = delete;
  ~RoomLease() {
    if (room_ != nullptr) RecoveryCache::give_back(*room_);
  }
  [[nodiscard]] RecoveryRoom* get() noexcept {
    if (room_ == nullptr) room_ = cache_.take_room();
    return room_;
  }

 private:
  RecoveryCache& cache_;
  RecoveryRoom* room_ = nullptr;
};

// A value of the cache that is read: made on first use, in the room if no slot is free.
template <class T>
class Cached {
 public:
  Cached() noexcept = default;
  Cached(const Cached&) = delete;
  Cached& operator=(const Cached&) = delete;
  ~Cached() { reset(); }

  void reset() noexcept {
    if (slot_ != nullptr) slot_->release();
    slot_ = nullptr;
    value_ = nullptr;
  }

  template <class Table>
  [[nodiscard]] bool find(Table& table, uint64_t key) noexcept {
    for (size_t way = 0; way < Table::kWays; ++way) {
      slot_ = table.slot(key, way);
      value_ = slot_->acquire(key);
      if (value_ != nullptr) return true;
    }
    slot_ = nullptr;
    return false;
  }
  // `make` fills a value.
  template <class Table, class Make>
  void make(Table& table, uint64_t key, T& spare, Make make) noexcept {
    make(spare);
    value_ = &spare;
    for (size_t way = 0; way < Table::kWays; ++way) {
      CacheSlot<T>* slot = table.slot(key, way);
      T* value = slot->claim();
      if (value == nullptr) continue;
      *value = spare;
      slot->publish(key);
      slot_ = slot;
      value_ = value;
      return;
    }
  }
  [[nodiscard]] const T& operator*() const noexcept { return *value_; }

 private:
  CacheSlot<T>* slot_ = nullptr;
  const T* value_ = nullptr;
};

}  // namespace kebound::x86
