// SPDX-License-Identifier: Apache-2.0
#include "tools/kebound/words.h"

namespace kebound::tool {
namespace {

constexpr bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n'; }

// Inside "..." a backslash quotes only these; before anything else it stands for itself.
constexpr bool is_special_in_double_quotes(char c) {
  return c == '"' || c == '\\' || c == '$' || c == '`';
}

}  // namespace

Words split_words(std::string_view text) {
  enum class Quote { None, Single, Double };
  Words result;
  std::string word;
  bool in_word = false;
  Quote quote = Quote::None;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool last = i + 1 == text.size();
    if (quote == Quote::Single) {
      if (c == '\'') {
        quote = Quote::None;
      } else {
        word += c;
      }
    } else if (quote == Quote::Double) {
      if (c == '"') {
        quote = Quote::None;
      } else if (c == '\\' && !last && is_special_in_double_quotes(text[i + 1])) {
        word += text[++i];
      } else {
        word += c;
      }
    } else if (is_blank(c)) {
      if (in_word) result.words.push_back(std::move(word));
      word.clear();
      in_word = false;
    } else {
      in_word = true;  // also for '' and "", which are words without characters
      if (c == '\'') {
        quote = Quote::Single;
      } else if (c == '"') {
        quote = Quote::Double;
      } else if (c == '\\') {
        if (last) {
          result.error = "ends in a backslash";
          return result;
        }
        word += text[++i];
      } else {
        word += c;
      }
    }
  }
  if (quote != Quote::None) {
    result.error = quote == Quote::Single ? "a ' is not closed" : "a \" is not closed";
    return result;
  }
  if (in_word) result.words.push_back(std::move(word));
  return result;
}

}  // namespace kebound::tool
