// SPDX-License-Identifier: Apache-2.0
#include "trap/calls/array_type.h"

namespace kebound::calls {
namespace {

bool parse_dimension(const char* at, uint64_t& length) noexcept {
  if (*at < '0' || *at > '9') return false;
  uint64_t value = 0;
  for (; *at >= '0' && *at <= '9'; ++at) {
    const auto digit = static_cast<uint64_t>(*at - '0');
    if (value > (UINT64_MAX - digit) / 10) return false;
    value = value * 10 + digit;
  }
  if (*at != ']') return false;
  length = value;
  return true;
}

}  // namespace

// The outermost dimension is the first bracket that is not inside template arguments. Their
// parentheses may hold anything (`S<(a > b)>`, lambdas with a path): then nothing is claimed.
bool parse_array_length(const char* name, uint64_t& length) noexcept {
  unsigned angles = 0;
  for (const char* at = name; *at != '\0'; ++at) {
    if (*at == '<') {
      ++angles;
    } else if (*at == '>') {
      if (angles == 0) return false;
      --angles;
    } else if (*at == '(' && angles != 0) {
      return false;
    } else if (*at == '(' && at[1] != '*' && at[1] != '&') {
      return false;  // "(anonymous ...", "(lambda at ...": may hold brackets
    } else if (*at == '[' && angles == 0) {
      return parse_dimension(at + 1, length);
    }
  }
  return false;
}

}  // namespace kebound::calls
