// SPDX-License-Identifier: Apache-2.0
#include "hosts/inproc/preload_options.h"

#include <string.h>

namespace kebound::inproc {
namespace {

// A piece of the text; no copy, because nothing may be allocated before the program has begun.
struct Word {
  const char* begin = nullptr;
  size_t length = 0;

  [[nodiscard]] bool is(const char* other) const noexcept {
    return strlen(other) == length && memcmp(begin, other, length) == 0;
  }
};

bool is_blank(char c) noexcept { return c == ' ' || c == '\t' || c == '\n'; }

Word next_word(const char*& text) noexcept {
  while (is_blank(*text)) ++text;
  Word word{text, 0};
  while (*text != '\0' && !is_blank(*text)) ++text;
  word.length = static_cast<size_t>(text - word.begin);
  return word;
}

bool parse_number(const Word& word, uint64_t& number) noexcept {
  if (word.length == 0 || word.length > 19) return false;
  number = 0;
  for (size_t i = 0; i < word.length; ++i) {
    if (word.begin[i] < '0' || word.begin[i] > '9') return false;
    number = number * 10 + static_cast<uint64_t>(word.begin[i] - '0');
  }
  return true;
}

bool set_policy(const Word& value, OnBound& policy) noexcept {
  static constexpr struct {
    const char* name;
    OnBound policy;
  } kNames[] = {{"propagate", OnBound::Propagate},
                {"clamp", OnBound::Clamp},
                {"skip", OnBound::Skip},
                {"terminate", OnBound::Terminate}};
  for (const auto& entry : kNames) {
    if (!value.is(entry.name)) continue;
    policy = entry.policy;
    return true;
  }
  return false;
}

bool set_option(const Word& name, const Word& value, PreloadOptions& options) noexcept {
  if (name.is("--on-bound")) return set_policy(value, options.on_bound);
  if (name.is("--livelock-limit")) return parse_number(value, options.library.livelock_limit);
  if (name.is("--profile")) {
    const bool windows = value.is("windows");
    if (windows || value.is("default")) {
      options.library.profile = windows ? KEBOUND_PROFILE_WINDOWS : KEBOUND_PROFILE_DEFAULT;
      return true;
    }
  }
  if (name.is("--calls")) {
    char families[64];
    if (value.length >= sizeof families) return false;
    memcpy(families, value.begin, value.length);
    families[value.length] = '\0';
    return calls::parse_families(families, options.calls);
  }
  if (name.is("--report") && (value.is("text") || value.is("none"))) {
    options.report = value.is("text");
    return true;
  }
  return false;
}

}  // namespace

bool parse_preload_options(const char* text, PreloadOptions& options, char* wrong,
                           size_t size) noexcept {
  bool understood = true;
  for (Word word = next_word(text); word.length != 0; word = next_word(text)) {
    if (word.is("--no-compiler-traps")) {
      options.library.no_compiler_traps = 1;
      continue;
    }
    Word name = word;
    Word value;
    if (const void* equals = memchr(word.begin, '=', word.length)) {
      name.length = static_cast<size_t>(static_cast<const char*>(equals) - word.begin);
      value = {name.begin + name.length + 1, word.length - name.length - 1};
    } else {
      value = next_word(text);
    }
    if (set_option(name, value, options)) continue;
    if (understood && size != 0) {
      const size_t length = word.length < size ? word.length : size - 1;
      memcpy(wrong, word.begin, length);
      wrong[length] = '\0';
    }
    understood = false;
  }
  return understood;
}

}  // namespace kebound::inproc
