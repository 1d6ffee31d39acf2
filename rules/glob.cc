// SPDX-License-Identifier: Apache-2.0
#include "rules/glob.h"

namespace kebound::rules {

bool glob_match(std::string_view pattern, std::string_view name) noexcept {
  if (name.size() > kMaxGlobSubject) return false;
  const char* p = pattern.data();
  const char* const p_end = p + pattern.size();
  const char* n = name.data();
  const char* const n_end = n + name.size();
  // Where to go on when what follows the last '*' does not fit: one more character is its.
  const char* behind_star = nullptr;
  const char* resume = nullptr;
  for (;;) {
    if (p != p_end && *p == '*') {
      behind_star = ++p;
      resume = n;
      continue;
    }
    if (n == n_end) {
      // More characters for the star cannot help: there are none left for what follows it.
      return p == p_end;
    }
    bool fits = false;
    const char* next = p;
    if (p != p_end) {
      const bool escaped = *p == '\\' && p + 1 != p_end;
      if (escaped) ++next;
      fits = (*p == '?') || *next == *n;
      ++next;
    }
    if (fits) {
      p = next;
      ++n;
    } else if (behind_star != nullptr) {
      p = behind_star;
      n = ++resume;
    } else {
      return false;
    }
  }
}

bool glob_match_path(std::string_view pattern, std::string_view path) noexcept {
  if (pattern.find('/') == std::string_view::npos) {
    const size_t slash = path.rfind('/');
    if (slash != std::string_view::npos) path.remove_prefix(slash + 1);
  }
  return glob_match(pattern, path);
}

bool is_valid_glob(std::string_view pattern) noexcept {
  size_t i = 0;
  while (i < pattern.size()) {
    if (pattern[i] == '\\' && i + 1 == pattern.size()) return false;
    i += pattern[i] == '\\' ? 2 : 1;
  }
  return true;
}

}  // namespace kebound::rules
