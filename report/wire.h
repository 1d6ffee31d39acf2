// SPDX-License-Identifier: Apache-2.0
//
// Messages between the writer and the process that reads hostile files for it: values one after the
// other. Neither side believes the other: the reader checks every length.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "events/record.h"
#include "report/location.h"

namespace kebound::report::wire {

inline constexpr uint32_t kMaxMessage = 64u << 20;

class Writer {
 public:
  template <typename T>
  requires std::is_trivially_copyable_v<T>
  void value(const T& value) {
    const auto* from = reinterpret_cast<const char*>(&value);
    bytes_.append(from, sizeof value);
  }
  void text(std::string_view text) {
    value(static_cast<uint32_t>(text.size()));
    bytes_ += text;
  }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// After the first value that is not there, everything reads as zero and ok() is false.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  template <typename T>
  requires std::is_trivially_copyable_v<T> T value() {
    T value{};
    if (take(sizeof value)) memcpy(&value, taken_.data(), sizeof value);
    return value;
  }
  bool flag() { return value<uint8_t>() != 0; }
  std::string_view text() {
    const auto size = value<uint32_t>();
    return take(size) ? taken_ : std::string_view();
  }
  [[nodiscard]] bool ok() const { return ok_; }
  // How many items of at least `smallest` bytes can follow: for counts, before memory is reserved.
  [[nodiscard]] bool can_hold(uint32_t count, size_t smallest) const {
    return ok_ && count <= bytes_.size() / smallest;
  }

 private:
  bool take(size_t size) {
    if (!ok_ || size > bytes_.size()) {
      ok_ = false;
      return false;
    }
    taken_ = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return true;
  }
  std::string_view bytes_;
  std::string_view taken_;
  bool ok_ = true;
};

void put(Writer& out, const events::Mapping& mapping);
[[nodiscard]] events::Mapping get_mapping(Reader& in);
void put(Writer& out, const std::vector<StackFrame>& frames);
[[nodiscard]] std::vector<StackFrame> get_frames(Reader& in);

}  // namespace kebound::report::wire
