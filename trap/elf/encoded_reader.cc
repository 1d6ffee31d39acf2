// SPDX-License-Identifier: Apache-2.0
#include "trap/elf/encoded_reader.h"

namespace kebound::elf {
namespace {

uint64_t sign_extend(uint64_t value, unsigned bytes) noexcept {
  if (bytes >= 8) return value;
  const uint64_t sign = uint64_t{1} << (8 * bytes - 1);
  return (value ^ sign) - sign;
}

}  // namespace

uint64_t EncodedReader::fixed(unsigned bytes) noexcept {
  if (!ok_ || bytes > 8) return fail();
  uint64_t offset = address_ - ahead_address_;
  if (offset > ahead_size_ || ahead_size_ - offset < bytes) {
    ahead_size_ = memory_.read_some(memory_.self, address_, ahead_, sizeof ahead_);
    ahead_address_ = address_;
    offset = 0;
    if (ahead_size_ < bytes || ahead_size_ > sizeof ahead_) return fail();
  }
  uint64_t value = 0;
  for (unsigned i = 0; i < bytes; ++i) value |= uint64_t{ahead_[offset + i]} << (8 * i);
  address_ += bytes;
  return value;
}

uint64_t EncodedReader::uleb128() noexcept {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const uint64_t byte = fixed(1);
    if (!ok_) return 0;
    value |= (byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return value;
  }
  return fail();  // longer than any number that is needed here
}

int64_t EncodedReader::sleb128() noexcept {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const uint64_t byte = fixed(1);
    if (!ok_) return 0;
    value |= (byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) {
      if ((byte & 0x40) != 0 && shift + 7 < 64) value |= ~uint64_t{0} << (shift + 7);
      return static_cast<int64_t>(value);
    }
  }
  fail();
  return 0;
}

uint64_t EncodedReader::format(uint8_t encoding) noexcept {
  switch (encoding & kFormatMask) {
    case kFormatUleb128:
      return uleb128();
    case kFormatSleb128:
      return static_cast<uint64_t>(sleb128());
    case kFormatSdata2:
    case kFormatSdata4:
    case kFormatSdata8: {
      const unsigned bytes = encoded_size(encoding, elf64_);
      return sign_extend(fixed(bytes), bytes);
    }
    default: {
      const unsigned bytes = encoded_size(encoding, elf64_);
      return bytes == 0 ? fail() : fixed(bytes);
    }
  }
}

uint64_t EncodedReader::encoded(uint8_t encoding) noexcept {
  if (encoding == kEncodingOmit || (encoding & kIndirect) != 0) return fail();
  const uint64_t here = address_;
  const uint64_t value = format(encoding);
  switch (encoding & kRelativeMask) {
    case kRelativeToNothing:
      return cut(value);
    case kRelativeToItself:
      return cut(here + value);
    case kRelativeToData:
      return cut(data_ + value);
    default:
      return fail();
  }
}

unsigned encoded_size(uint8_t encoding, bool elf64) noexcept {
  switch (encoding & kFormatMask) {
    case kFormatAddress:
      return elf64 ? 8 : 4;
    case kFormatUdata2:
    case kFormatSdata2:
      return 2;
    case kFormatUdata4:
    case kFormatSdata4:
      return 4;
    case kFormatUdata8:
    case kFormatSdata8:
      return 8;
    default:
      return 0;
  }
}

}  // namespace kebound::elf
