// SPDX-License-Identifier: Apache-2.0
#include "trap/elf/image_file.h"

#include "trap/elf/little_endian.h"

namespace kebound::elf {
namespace {

constexpr uint32_t kLoad = 1;
constexpr uint32_t kNote = 4;
constexpr uint32_t kGnuBuildId = 3;
constexpr uint8_t kClass32 = 1;
constexpr uint8_t kClass64 = 2;
constexpr uint8_t kLittleEndian = 1;
// Programs have about a dozen program headers, and a handful of notes.
constexpr unsigned kMaxHeaders = 256;
constexpr unsigned kMaxNotes = 64;
constexpr size_t kElfHeader64 = 64;
constexpr size_t kElfHeader32 = 52;
constexpr size_t kNoteHeader = 12;
constexpr size_t kSmallestBuffer = 512;

// Pieces of the file. What is wanted next is mostly in the piece that is there.
class Window {
 public:
  Window(MemoryReader file, uint8_t* buffer, size_t size) noexcept
      : file_(file), buffer_(buffer), size_(size) {}

  // Null if the file does not have all of it. Valid until the next call.
  const uint8_t* bytes(uint64_t offset, size_t count) noexcept {
    if (count > size_ || offset + count < offset) return nullptr;
    const bool is_there = offset >= begin_ && offset - begin_ <= filled_ &&
                          count <= filled_ - static_cast<size_t>(offset - begin_);
    if (!is_there) {
      begin_ = offset;
      filled_ = file_.read_some(file_.self, offset, buffer_, size_);
      if (filled_ > size_) filled_ = 0;
      if (count > filled_) return nullptr;
    }
    return buffer_ + (offset - begin_);
  }

 private:
  MemoryReader file_;
  uint8_t* buffer_;
  size_t size_;
  uint64_t begin_ = 0;
  size_t filled_ = 0;
};

struct Segment {
  uint32_t type = 0;
  uint64_t offset = 0;
  uint64_t address = 0;
  uint64_t size = 0;
  uint64_t alignment = 0;
};

struct Headers {
  bool is_64bit = false;
  uint64_t offset = 0;
  unsigned count = 0;
};

bool read_headers(Window& window, Headers& out) noexcept {
  const uint8_t* const header = window.bytes(0, kElfHeader32);
  if (header == nullptr || number<uint32_t>(header) != 0x464c457f || header[5] != kLittleEndian)
    return false;
  out.is_64bit = header[4] == kClass64;
  if (!out.is_64bit) {
    if (header[4] != kClass32 || number<uint16_t>(header + 42) != 32) return false;
    out.offset = number<uint32_t>(header + 28);
    out.count = number<uint16_t>(header + 44);
  } else {
    const uint8_t* const header64 = window.bytes(0, kElfHeader64);
    if (header64 == nullptr || number<uint16_t>(header64 + 54) != 56) return false;
    out.offset = number<uint64_t>(header64 + 32);
    out.count = number<uint16_t>(header64 + 56);
  }
  return out.count != 0 && out.count <= kMaxHeaders;
}

bool read_segment(Window& window, const Headers& headers, unsigned index, Segment& out) noexcept {
  const size_t size = headers.is_64bit ? 56 : 32;
  const uint64_t at = headers.offset + uint64_t{index} * size;
  const uint8_t* const bytes = at < headers.offset ? nullptr : window.bytes(at, size);
  if (bytes == nullptr) return false;
  out.type = number<uint32_t>(bytes);
  if (headers.is_64bit) {
    out.offset = number<uint64_t>(bytes + 8);
    out.address = number<uint64_t>(bytes + 16);
    out.size = number<uint64_t>(bytes + 32);
    out.alignment = number<uint64_t>(bytes + 48);
  } else {
    out.offset = number<uint32_t>(bytes + 4);
    out.address = number<uint32_t>(bytes + 8);
    out.size = number<uint32_t>(bytes + 16);
    out.alignment = number<uint32_t>(bytes + 28);
  }
  return true;
}

// The size of a part of a note with what is behind it up to the next one. No overflow: both are
// numbers of 32 bits.
uint64_t padded(uint64_t size, uint64_t alignment) noexcept {
  return (size + alignment - 1) & ~(alignment - 1);
}

// `notes` counts those that were looked at in all segments.
bool find_build_id(Window& window, const Segment& segment, unsigned& notes,
                   ImageFile& out) noexcept {
  const uint64_t alignment = segment.alignment == 8 ? 8 : 4;
  uint64_t at = segment.offset;
  uint64_t left = segment.size;
  while (left >= kNoteHeader && notes < kMaxNotes) {
    ++notes;
    const uint8_t* const header = window.bytes(at, kNoteHeader);
    if (header == nullptr) return false;
    const uint64_t name_size = number<uint32_t>(header);
    const uint64_t size = number<uint32_t>(header + 4);
    const uint32_t type = number<uint32_t>(header + 8);
    const uint64_t contents = padded(kNoteHeader + name_size, alignment);
    if (contents > left || size > left - contents) return false;
    if (type == kGnuBuildId && name_size == 4 && size != 0 && size <= kMaxBuildId) {
      const uint8_t* const note = window.bytes(at, static_cast<size_t>(contents + size));
      if (note == nullptr) return false;
      if (number<uint32_t>(note + kNoteHeader) == 0x00554e47) {  // "GNU"
        for (size_t i = 0; i < size; ++i) out.build_id[i] = note[contents + i];
        out.build_id_size = static_cast<uint8_t>(size);
        return true;
      }
    }
    const uint64_t total = padded(contents + size, alignment);
    if (total >= left || at + total < at) return false;
    at += total;
    left -= total;
  }
  return false;
}

}  // namespace

bool read_image_file(MemoryReader file, uint64_t place, uint8_t* buffer, size_t buffer_size,
                     ImageFile& out) noexcept {
  out = {};
  if (buffer_size < kSmallestBuffer) return false;
  Window window(file, buffer, buffer_size);
  Headers headers;
  if (!read_headers(window, headers)) return false;
  bool has_id = false;
  unsigned notes = 0;
  for (unsigned i = 0; i < headers.count; ++i) {
    Segment segment;
    if (!read_segment(window, headers, i, segment)) {
      out = {};  // half a file is none
      return false;
    }
    if (segment.type == kLoad && !out.has_address && place >= segment.offset &&
        place - segment.offset < segment.size) {
      out.has_address = true;
      out.address = place - segment.offset + segment.address;
    } else if (segment.type == kNote && !has_id) {
      has_id = find_build_id(window, segment, notes, out);
    }
  }
  return true;
}

}  // namespace kebound::elf
