// SPDX-License-Identifier: Apache-2.0
#include "trap/calls/fortified.h"

#include "trap/calls/remote_text.h"
#include "trap/calls/text.h"

namespace kebound::calls {
namespace {

constexpr uint64_t kDescriptors = 1024;  // FD_SETSIZE

enum class Found : uint8_t { Unknown, Fits, Exceeds };

// Bytes that would be written, and bytes that there is room for.
struct Amounts {
  uint64_t bytes = 0;
  uint64_t size = 0;
  bool no_end = false;  // more than 64 bits can say, or than can be read
};

bool multiply(uint64_t a, uint64_t b, uint64_t& product) noexcept {
  return !__builtin_mul_overflow(a, b, &product);
}

Found count(const CallSource& source, const CallFrame& frame, Amounts& out) noexcept {
  uint64_t elements = 0;
  uint64_t element = source.element;
  if (!frame.argument(source.count, elements) || !frame.argument(source.size, out.size)) {
    return Found::Unknown;
  }
  if (source.factor != kNoArgument && !frame.argument(source.factor, element)) {
    return Found::Unknown;
  }
  if (source.size_in_elements && !multiply(out.size, element, out.size)) return Found::Fits;
  if (!multiply(elements, element, out.bytes)) {
    out.no_end = true;
    return Found::Exceeds;
  }
  return out.bytes > out.size ? Found::Exceeds : Found::Fits;
}

// strcpy's and strcat's: with the 0.
Found string(const CallSource& source, const CallFrame& frame, Amounts& out) noexcept {
  uint64_t text = 0;
  uint64_t length = 0;
  uint64_t before = 0;
  if (!frame.argument(source.count, text) || !frame.argument(source.size, out.size)) {
    return Found::Unknown;
  }
  if (source.shape == Shape::Concatenation) {
    uint64_t object = 0;
    if (frame.has_begun || !frame.argument(source.object, object)) return Found::Unknown;
    if (!text_length(frame.memory, object, out.size, before)) return Found::Unknown;
  }
  constexpr uint64_t kMost = uint64_t{1} << 32;
  if (!text_length(frame.memory, text, kMost, length)) {
    uint64_t limit = 0;
    if (source.limit == kNoArgument || !frame.argument(source.limit, limit)) return Found::Unknown;
    length = limit;  // no 0 is asked for in so many characters
  }
  if (source.limit != kNoArgument) {
    uint64_t limit = 0;
    if (!frame.argument(source.limit, limit)) return Found::Unknown;
    if (length > limit) length = limit;
  }
  out.bytes = before + length + 1;
  return out.bytes > out.size ? Found::Exceeds : Found::Fits;
}

Found descriptor(const CallSource& source, const CallFrame& frame, Amounts& out) noexcept {
  uint64_t number = 0;
  if (!frame.argument(source.count, number)) return Found::Unknown;
  out.size = kDescriptors;
  out.bytes = frame.is_64bit ? number : static_cast<uint64_t>(static_cast<int32_t>(number));
  return out.bytes >= kDescriptors ? Found::Exceeds : Found::Fits;
}

Found measure(const CallSource& source, const CallFrame& frame, Amounts& out) noexcept {
  switch (source.shape) {
    case Shape::Count:
      return count(source, frame, out);
    case Shape::String:
    case Shape::Concatenation:
      return string(source, frame, out);
    case Shape::Descriptor:
      return descriptor(source, frame, out);
    default:
      return Found::Unknown;
  }
}

// Whether all that the function was called with is known.
bool can_call_again(const CallFrame& frame) noexcept {
  constexpr uint32_t kKept64 = 0xf038;       // rbx rsp rbp r12..r15
  constexpr uint32_t kArguments64 = 0x03c6;  // rcx rdx rsi rdi r8 r9
  constexpr uint32_t kKept32 = 0x00f8;       // ebx esp ebp esi edi
  const uint32_t needed = frame.is_64bit ? kKept64 | kArguments64 : kKept32;
  return frame.arguments_kept && (frame.known & needed) == needed;
}

// The count is what can be corrected: the call is executed again with it. Only where it is in
// bytes, so that every correction is a count.
void allow_correction(const CallSource& source, const CallFrame& frame, CallEvent& out) noexcept {
  if (source.shape != Shape::Count || source.element != 1 || source.factor != kNoArgument) return;
  if (out.event.instruction_length == 0 || !can_call_again(frame)) return;
  x86::IndexPlace& place = out.recovery.places[0];
  place.width = static_cast<uint8_t>(frame.word_size() * 8);
  place.addend = 1;  // it is one more than the last byte
  place.reg = frame.argument_register(source.count);
  place.kind = x86::IndexPlace::Kind::Register;
  if (place.reg == CallFrame::kNoGpr) {
    place.reg = 0;
    place.kind = x86::IndexPlace::Kind::Memory;
    place.address = frame.argument_address(source.count);
  }
  out.event.index_register = place.reg;
  out.event.index_address = place.address;
  out.recovery.place_count = 1;
  out.event.resumable = true;
}

// "__memcpy_chk" -> "memcpy"
void say_function(const char* symbol, Text& text) noexcept {
  while (*symbol == '_') ++symbol;
  size_t length = 0;
  while (symbol[length] != '\0') ++length;
  constexpr size_t kSuffix = 4;
  for (size_t i = 0; i + kSuffix < length; ++i) text.character(symbol[i]);
}

}  // namespace

bool exceeds_object(const CallSource& source, const CallFrame& frame) noexcept {
  Amounts amounts;
  return measure(source, frame, amounts) == Found::Exceeds;
}

bool read_fortified(const CallSource& source, const CallFrame& frame, CallEvent& out) noexcept {
  Text text(out.detail, sizeof out.detail);
  say_function(source.symbol, text);
  Amounts amounts;
  const Found found = measure(source, frame, amounts);
  if (found == Found::Fits) return false;
  BoundEvent& event = out.event;
  if (found == Found::Unknown) {
    event.doubt = Doubt::ArgumentsLost;
    return true;
  }
  event.lower = 0;
  event.upper = static_cast<int64_t>(amounts.size) - 1;
  event.index_width = static_cast<uint8_t>(frame.word_size() * 8);
  if (source.shape == Shape::Descriptor) {
    event.index = static_cast<int64_t>(amounts.bytes);
  } else if (amounts.no_end || amounts.bytes - 1 > INT64_MAX || amounts.size > INT64_MAX) {
    event.doubt = Doubt::NotSaid;
    event.upper = 0;
    event.index_width = 0;
    return true;
  } else {
    event.index = static_cast<int64_t>(amounts.bytes) - 1;
  }
  event.index_raw =
      frame.is_64bit ? static_cast<uint64_t>(event.index) : static_cast<uint32_t>(event.index);
  event.confidence = Confidence::Certain;
  allow_correction(source, frame, out);
  return true;
}

}  // namespace kebound::calls
