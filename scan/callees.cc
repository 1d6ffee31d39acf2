// SPDX-License-Identifier: Apache-2.0
#include "scan/callees.h"

#include <array>

namespace kebound::scan {
namespace {

constexpr const char* kReturns = "the runtime reports and returns: the program goes on by itself";
constexpr const char* kNoReturn = "the function that is called does not return";
constexpr const char* kCallee = "the check is made in the function that is called";
constexpr const char* kUntold = "the function that is called is told no index";
constexpr const char* kDamaged = "the stack is damaged already";

// UBSan's handlers by what follows "__ubsan_handle_".
struct Handler {
  std::string_view name;
  CheckKind kind;
};
constexpr std::array kHandlers{
    Handler{"out_of_bounds", CheckKind::ArrayBounds},
    Handler{"local_out_of_bounds", CheckKind::ArrayBounds},
    Handler{"pointer_overflow", CheckKind::PointerOverflow},
    Handler{"type_mismatch", CheckKind::ObjectSize},
    Handler{"type_mismatch_v1", CheckKind::ObjectSize},
};

bool remove_suffix(std::string_view& text, std::string_view suffix) {
  if (!text.ends_with(suffix)) return false;
  text.remove_suffix(suffix.size());
  return true;
}

std::optional<CheckingFunction> ubsan(std::string_view symbol) {
  constexpr std::string_view kPrefix = "__ubsan_handle_";
  if (!symbol.starts_with(kPrefix)) return std::nullopt;
  symbol.remove_prefix(kPrefix.size());
  const bool aborts = remove_suffix(symbol, "_abort");
  // The minimal runtime is told nothing but the kind.
  const bool minimal = remove_suffix(symbol, "_minimal");
  for (const Handler& handler : kHandlers) {
    if (symbol != handler.name) continue;
    const bool indexed =
        handler.kind == CheckKind::ArrayBounds && symbol == "out_of_bounds" && !minimal;
    if (!indexed) {
      return CheckingFunction{BoundSource::UbsanHandler, handler.kind, Known::No, kUntold};
    }
    return CheckingFunction{BoundSource::UbsanHandler, handler.kind, Known::Arguments,
                            aborts ? kNoReturn : kReturns};
  }
  return std::nullopt;
}

// __memcpy_chk and its siblings are told the size of the buffer. The printf family checks its
// format instead, but for those that write to a buffer.
std::optional<CheckingFunction> fortify(std::string_view symbol) {
  if (!symbol.starts_with("__") || !symbol.ends_with("_chk") || symbol.size() < 8) {
    return std::nullopt;
  }
  const std::string_view name = symbol.substr(2, symbol.size() - 6);
  const bool prints = name.find("printf") != std::string_view::npos;
  const bool to_buffer = name == "sprintf" || name == "snprintf" || name == "vsprintf" ||
                         name == "vsnprintf" || name == "swprintf" || name == "vswprintf";
  if ((prints && !to_buffer) || name == "longjmp" || name == "syslog" || name == "vsyslog") {
    return std::nullopt;
  }
  if (name == "fdelt") {  // FD_SET: an index into a set of descriptors
    return CheckingFunction{BoundSource::Fortify, CheckKind::ArrayBounds, Known::Arguments,
                            kCallee};
  }
  return CheckingFunction{BoundSource::Fortify, CheckKind::BufferSize, Known::Arguments, kCallee};
}

}  // namespace

std::optional<CheckingFunction> checking_function(std::string_view symbol) {
  if (auto found = ubsan(symbol)) return found;
  if (auto found = fortify(symbol)) return found;
  if (symbol == "__stack_chk_fail" || symbol == "__stack_chk_fail_local") {
    return CheckingFunction{BoundSource::StackProtector, CheckKind::StackSmash, Known::No,
                            kDamaged};
  }
  // std::__glibcxx_assert_fail, and what its predecessor was called.
  if (symbol.starts_with("_ZSt21__glibcxx_assert_fail") ||
      symbol.starts_with("_ZSt20__replacement_assert")) {
    return CheckingFunction{BoundSource::LibstdcxxAssertion, CheckKind::Assertion, Known::No,
                            kUntold};
  }
  // std::__1::__libcpp_verbose_abort; the inline namespace is the builder's choice.
  if (symbol.starts_with("_ZNSt") && symbol.find("22__libcpp_verbose_abort") != symbol.npos) {
    return CheckingFunction{BoundSource::LibcxxAbort, CheckKind::Assertion, Known::No, kUntold};
  }
  return std::nullopt;
}

}  // namespace kebound::scan
