// SPDX-License-Identifier: Apache-2.0
//
// What fuzz targets share: the entry point's name, taking an input apart, and complaining.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <string>

// libFuzzer's interface. Returns 0; aborts when the code under test is wrong about this input.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace kebound::fuzz {

// Takes an input apart from the front. At its end there are zeros, so that a short input is an
// input too.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : rest_(data, size) {}

  template <class T>
  T take() {
    T value{};
    const auto bytes = take_bytes(sizeof value);
    if (!bytes.empty()) std::memcpy(&value, bytes.data(), bytes.size());
    return value;
  }
  std::span<const uint8_t> take_bytes(size_t count) {
    const auto taken = rest_.first(std::min(count, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }
  std::span<const uint8_t> rest() const { return rest_; }

 private:
  std::span<const uint8_t> rest_;
};

// Ends the process when there is something to complain about; the driver or libFuzzer shows the
// input.
inline void fail_if(const std::string& complaint) {
  if (complaint.empty()) return;
  fprintf(stderr, "%s\n", complaint.c_str());
  abort();
}

}  // namespace kebound::fuzz
