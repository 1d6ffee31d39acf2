// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "trap/x86/recovery_cache.h"

namespace kebound::inproc {

// Small values by code address, what was looked up once: for static storage, all zero when new. Any
// number of threads, none waits. Context: anywhere, signal handlers included.
template <class T, size_t kSlots>
class SiteCache {
 public:
  [[nodiscard]] bool find(uint64_t ip, T& value) noexcept {
    for (size_t way = 0; way < Table::kWays; ++way) {
      auto& slot = *table_.slot(ip, way);
      if (const T* const known = slot.acquire(ip)) {
        value = *known;
        slot.release();
        return true;
      }
    }
    return false;
  }

  // Another value of this address, or else one of those beside it, goes. Not kept where others read
  // all of them just now.
  void put(uint64_t ip, const T& value) noexcept {
    forget({ip, ip + 1});
    for (unsigned attempt = 0; attempt < 2; ++attempt) {
      for (size_t way = 0; way < Table::kWays; ++way) {
        auto& slot = *table_.slot(ip, way);
        if (T* const free = slot.claim()) {
          *free = value;
          slot.publish(ip);
          slot.release();
          return;
        }
      }
      table_.slot(ip, ip % Table::kWays)->forget({0, UINT64_MAX});
    }
  }

  void forget(x86::CodeRange range) noexcept { table_.forget(range); }

 private:
  using Table = x86::CacheTable<T, kSlots>;
  Table table_;
};

}  // namespace kebound::inproc
