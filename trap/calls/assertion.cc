// SPDX-License-Identifier: Apache-2.0
#include "trap/calls/assertion.h"

#include "trap/calls/remote_text.h"
#include "trap/calls/text.h"

namespace kebound::calls {
namespace {

// With paths of the standard library's headers in it.
constexpr size_t kLongestMessage = 1024;

bool starts_with(const char* text, const char* what) noexcept {
  while (*what != '\0') {
    if (*text++ != *what++) return false;
  }
  return true;
}

const char* find(const char* text, const char* what) noexcept {
  for (; *text != '\0'; ++text) {
    if (starts_with(text, what)) return text;
  }
  return nullptr;
}

template <size_t N>
bool contains_one_of(const char* text, const char* const (&words)[N]) noexcept {
  for (const char* const word : words) {
    if (find(text, word) != nullptr) return true;
  }
  return false;
}

// < or >, but not ->, << and template brackets, which are never at a blank.
bool has_order(const char* text) noexcept {
  static constexpr const char* const kOrders[] = {" < ", " <= ", " > ", " >= "};
  return contains_one_of(text, kOrders);
}

// printf's, as far as messages use it. What is not understood ends the text.
void print(const CallFrame& frame, const char* format, Text& text) noexcept {
  unsigned next = 1;
  for (; *format != '\0'; ++format) {
    if (*format != '%') {
      text.character(*format);
      continue;
    }
    ++format;
    bool is_long = false;
    for (; *format == 'l' || *format == 'z'; ++format) is_long = true;
    uint64_t value = 0;
    if (*format == '%') {
      text.character('%');
      continue;
    }
    if (!frame.argument(next++, value)) return;
    const bool is_wide = is_long && frame.is_64bit;
    if (*format == 's') {
      char words[kLongestMessage];
      if (!read_text(frame.memory, value, words, sizeof words)) return;
      text.words(words);
    } else if (*format == 'd' || *format == 'i') {
      text.signed_decimal(is_wide ? static_cast<int64_t>(value) : static_cast<int32_t>(value));
    } else if (*format == 'u') {
      text.decimal(is_wide ? value : static_cast<uint32_t>(value));
    } else {
      return;
    }
  }
}

// "PATH:LINE: assertion CONDITION failed: WORDS" is too long for a record: the end of the path and
// the words.
void shorten(const char* message, Text& text) noexcept {
  constexpr size_t kPath = 48;
  const char* const assertion = find(message, ": assertion ");
  const char* words = message;
  if (assertion != nullptr) {
    const auto length = static_cast<size_t>(assertion - message);
    if (length > kPath) text.words("...");
    for (size_t i = length > kPath ? length - kPath : 0; i < length; ++i) {
      text.character(message[i]);
    }
    const char* const failed = find(assertion, " failed: ");
    if (failed == nullptr) {
      words = assertion;
    } else {
      text.words(": ");
      words = failed + 9;
    }
  }
  // The line ends with it.
  for (; *words != '\0' && !(words[0] == '?' && words[1] == '\0') && *words != '\n'; ++words) {
    text.character(*words);
  }
}

}  // namespace

bool is_bounds_condition(const char* condition) noexcept {
  static constexpr const char* const kLengths[] = {"size()", "_M_len", "_M_size", "_Nm"};
  static constexpr const char* const kPlaces[] = {"!empty()", "!this->empty()", " != end()",
                                                  "!= this->end()"};
  return contains_one_of(condition, kPlaces) ||
         (has_order(condition) && contains_one_of(condition, kLengths));
}

bool is_bounds_message(const char* message) noexcept {
  static constexpr const char* const kWords[] = {"out of bounds",
                                                 "out-of-bounds",
                                                 "out of range",
                                                 "out_of_range was thrown",
                                                 " on an empty ",
                                                 " on empty ",
                                                 " is empty",
                                                 " already empty",
                                                 "`!empty()`",
                                                 " with empty list",
                                                 "with an empty input",
                                                 "past the end",
                                                 "past end",
                                                 "past the start",
                                                 "iterator at the end",
                                                 "zero-sized array",
                                                 "more than size()",
                                                 "n >= bucket_count()",
                                                 "Subscript argument",
                                                 "invalid rank index",
                                                 "index must be less than",
                                                 "non-dereferenceable iterator",
                                                 "at least one element"};
  return contains_one_of(message, kWords);
}

// (const char* file, int line, const char* function, const char* condition)
bool read_glibcxx_assertion(const CallFrame& frame, CallEvent& out) noexcept {
  uint64_t file = 0;
  uint64_t line = 0;
  uint64_t condition = 0;
  char words[kLongestMessage];
  if (!frame.argument(0, file) || !frame.argument(1, line) || !frame.argument(3, condition)) {
    return false;
  }
  if (condition == 0 || !read_text(frame.memory, condition, words, sizeof words)) return false;
  if (!is_bounds_condition(words)) return false;
  Text text(out.detail, sizeof out.detail);
  char path[kDetailSize];
  if (file != 0 && read_text_end(frame.memory, file, path, 56)) {
    text.words(path).character(':').decimal(static_cast<uint32_t>(line)).words(": ");
  }
  text.words(words);
  return true;
}

// (const char* format, ...)
bool read_verbose_abort(const CallFrame& frame, CallEvent& out) noexcept {
  uint64_t address = 0;
  char format[kLongestMessage];
  char message[kLongestMessage];
  if (!frame.argument(0, address) || !read_text(frame.memory, address, format, sizeof format)) {
    return false;
  }
  Text whole(message, sizeof message);
  print(frame, format, whole);
  const char* const failed = find(message, " failed: ");
  if (!is_bounds_message(failed != nullptr ? failed : message)) return false;
  Text text(out.detail, sizeof out.detail);
  shorten(message, text);
  return true;
}

bool read_hardening_message(const char* message, char (&detail)[kDetailSize]) noexcept {
  static constexpr char kCategory[] = "libc++: ";
  detail[0] = '\0';
  if (!starts_with(message, kCategory)) return false;
  message += sizeof kCategory - 1;
  const char* const failed = find(message, " failed: ");
  if (!is_bounds_message(failed != nullptr ? failed : message)) return false;
  Text text(detail, sizeof detail);
  shorten(message, text);
  return true;
}

}  // namespace kebound::calls
