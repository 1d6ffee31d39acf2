// SPDX-License-Identifier: Apache-2.0
#include "trap/calls/ubsan.h"

#include "trap/calls/array_type.h"
#include "trap/calls/remote_text.h"
#include "trap/calls/text.h"

namespace kebound::calls {
namespace {

constexpr size_t kLongestType = 512;

// { const char* file; uint32_t line, column; }, and what follows it.
struct Location {
  uint64_t file = 0;
  uint32_t line = 0;
  uint64_t end = 0;
};

bool read_location(const CallFrame& frame, uint64_t address, Location& out) noexcept {
  const uint64_t line = address + frame.word_size();
  out.end = line + 8;
  return frame.read_word(address, out.file) && frame.memory.read(line, &out.line, sizeof out.line);
}

// { uint16_t kind, info; char name[]; }
struct Type {
  uint16_t kind = 0;
  uint16_t info = 0;
  char name[kLongestType];

  [[nodiscard]] bool is_integer() const noexcept { return kind == 0; }
  [[nodiscard]] bool is_signed() const noexcept { return (info & 1) != 0; }
  [[nodiscard]] unsigned bits() const noexcept { return (info >> 1) < 8 ? 1u << (info >> 1) : 0; }
};

bool read_type(const CallFrame& frame, uint64_t pointer_at, Type& out) noexcept {
  uint64_t address = 0;
  return frame.read_word(pointer_at, address) &&
         frame.memory.read(address, &out.kind, sizeof out.kind) &&
         frame.memory.read(address + 2, &out.info, sizeof out.info) &&
         read_text(frame.memory, address + 4, out.name, sizeof out.name);
}

void say_location(const CallFrame& frame, const Location& location, Text& text) noexcept {
  char file[kDetailSize];
  if (location.file == 0 || !read_text_end(frame.memory, location.file, file, 64)) return;
  text.words(file).character(':').decimal(location.line);
}

// An integer as handlers get it: in the argument itself, or behind it where it has no room.
bool read_value(const CallFrame& frame, uint64_t argument, const Type& type,
                BoundEvent& event) noexcept {
  const unsigned bits = type.bits();
  uint64_t raw = argument;
  if (!type.is_integer() || bits < 8 || bits > 64) return false;
  if (bits > frame.word_size() * 8 && !frame.memory.read(argument, &raw, bits / 8)) return false;
  const unsigned unused = 64 - bits;
  event.index_width = static_cast<uint8_t>(bits);
  event.index_raw = raw << unused >> unused;
  event.index = type.is_signed() || bits == 64 ? static_cast<int64_t>(raw << unused) >> unused
                                               : static_cast<int64_t>(event.index_raw);
  return true;
}

}  // namespace

// { Location; Type* array; Type* index; }, index.
bool read_out_of_bounds(const CallFrame& frame, CallEvent& out) noexcept {
  BoundEvent& event = out.event;
  Text text(out.detail, sizeof out.detail);
  uint64_t data = 0;
  uint64_t index = 0;
  Location location;
  if (!frame.argument(0, data) || !frame.argument(1, index) ||
      !read_location(frame, data, location)) {
    event.doubt = Doubt::MemoryUnreadable;
    return true;
  }
  say_location(frame, location, text);
  Type array;
  Type type;
  if (!read_type(frame, location.end, array)) {
    event.doubt = Doubt::MemoryUnreadable;
    return true;
  }
  text.words(text.size() != 0 ? ", type " : "type ").words(array.name);
  if (!read_type(frame, location.end + frame.word_size(), type) ||
      !read_value(frame, index, type, event)) {
    event.doubt = Doubt::MemoryUnreadable;
    return true;
  }
  uint64_t length = 0;
  const bool known = parse_array_length(array.name, length) && length <= INT64_MAX &&
                     // An index of another array than the name says would be inside.
                     (event.index < 0 || static_cast<uint64_t>(event.index) >= length);
  if (!known) {
    event.doubt = Doubt::LimitNotSaid;
    return true;
  }
  event.lower = 0;
  event.upper = static_cast<int64_t>(length) - 1;
  event.confidence = Confidence::Certain;
  return true;
}

// { Location; }, base, result. Arithmetic on a null pointer, or to one, is another mistake.
bool read_pointer_overflow(const CallFrame& frame, CallEvent& out) noexcept {
  Text text(out.detail, sizeof out.detail);
  uint64_t data = 0;
  uint64_t base = 0;
  uint64_t result = 0;
  Location location;
  if (!frame.argument(0, data) || !frame.argument(1, base) || !frame.argument(2, result)) {
    return false;
  }
  if (base == 0 || result == 0) return false;
  if (read_location(frame, data, location)) say_location(frame, location, text);
  text.words(text.size() != 0 ? ", 0x" : "0x").hexadecimal(base);
  text.words(" became 0x").hexadecimal(result);
  out.event.doubt = Doubt::NotSaid;
  return true;
}

// { Location; Type*; uint8_t log2 of the alignment; uint8_t kind of access; }, pointer.
bool read_type_mismatch(const CallFrame& frame, CallEvent& out) noexcept {
  Text text(out.detail, sizeof out.detail);
  uint64_t data = 0;
  uint64_t pointer = 0;
  Location location;
  uint8_t alignment = 0;
  if (!frame.argument(0, data) || !frame.argument(1, pointer) ||
      !read_location(frame, data, location) ||
      !frame.memory.read(location.end + frame.word_size(), &alignment, sizeof alignment)) {
    return false;
  }
  if (pointer == 0 || alignment > 63) return false;
  if ((pointer & ((uint64_t{1} << alignment) - 1)) != 0) return false;
  say_location(frame, location, text);
  Type type;
  if (read_type(frame, location.end, type)) {
    text.words(text.size() != 0 ? ", type " : "type ").words(type.name);
  }
  text.words(" at 0x").hexadecimal(pointer);
  out.event.doubt = Doubt::NotSaid;
  return true;
}

}  // namespace kebound::calls
