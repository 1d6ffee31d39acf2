// SPDX-License-Identifier: Apache-2.0
//
// For tests: a sparse memory of whole pages behind a MemoryReader.
#pragma once

#include <array>
#include <cstring>
#include <initializer_list>
#include <map>
#include <span>

#include "trap/memory_reader.h"

namespace kebound {

class FakeMemory {
 public:
  static constexpr uint64_t kPage = 4096;

  // Makes the page that holds `address` readable.
  std::array<uint8_t, kPage>& page(uint64_t address) { return pages_[address / kPage]; }

  void write(uint64_t address, std::span<const uint8_t> bytes) {
    for (const uint8_t byte : bytes) {
      page(address)[address % kPage] = byte;
      ++address;
    }
  }
  void write(uint64_t address, std::initializer_list<uint8_t> bytes) {
    write(address, std::span(bytes.begin(), bytes.size()));
  }
  template <class T>
  void write_value(uint64_t address, T value) {
    uint8_t bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    write(address, bytes);
  }

  [[nodiscard]] MemoryReader reader() { return {this, read_some}; }

  // How often the reader was asked: each time is a system call where the memory is another
  // process'.
  [[nodiscard]] unsigned reads() const { return reads_; }

 private:
  static size_t read_some(void* self, uint64_t address, void* buffer, size_t size) noexcept {
    FakeMemory& memory = *static_cast<FakeMemory*>(self);
    ++memory.reads_;
    size_t done = 0;
    for (; done < size; ++done) {
      const auto page = memory.pages_.find((address + done) / kPage);
      if (page == memory.pages_.end()) break;
      static_cast<uint8_t*>(buffer)[done] = page->second[(address + done) % kPage];
    }
    return done;
  }

  std::map<uint64_t, std::array<uint8_t, kPage>> pages_;
  unsigned reads_ = 0;
};

}  // namespace kebound
