// SPDX-License-Identifier: Apache-2.0
#include "report/demangle.h"

#include <cxxabi.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <memory>

namespace kebound::report {
namespace {

constexpr size_t kMaxMangled = 2048;
constexpr size_t kMaxDemangled = 4096;
// Substitutions (S0_, T_, ...) are what lets a short symbol stand for an enormous name: each can
// double it.
constexpr ptrdiff_t kMaxSubstitutions = 256;

struct Free {
  void operator()(char* text) const noexcept { free(text); }
};

}  // namespace

std::string demangle(const char* symbol) {
  if (strncmp(symbol, "_Z", 2) != 0) return symbol;
  const size_t size = strnlen(symbol, kMaxMangled + 1);
  if (size > kMaxMangled || std::count(symbol, symbol + size, '_') > kMaxSubstitutions)
    return symbol;
  int status = 0;
  const std::unique_ptr<char, Free> name(abi::__cxa_demangle(symbol, nullptr, nullptr, &status));
  if (status != 0 || !name) return symbol;
  return std::string(name.get(), strnlen(name.get(), kMaxDemangled));
}

}  // namespace kebound::report
