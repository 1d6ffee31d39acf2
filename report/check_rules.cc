// SPDX-License-Identifier: Apache-2.0
#include "report/check_rules.h"

namespace kebound::report {
namespace {

struct Check {
  const char* summary;
  const char* remedy;
  const char* cwe;
};

Check describe(CheckKind check) {
  switch (check) {
    case CheckKind::Unknown:
      return {"A compiled-in check failed; which one is not known.",
              "Build with -g, and without numbered traps, to have it told apart.", "cwe-119"};
    case CheckKind::ArrayBounds:
      return {
          "An index is outside the bounds of what it indexes.",
          "Find where the index comes from: the values seen, the stack and the bounds are in the "
          "report.",
          "cwe-129"};
    case CheckKind::ObjectSize:
      return {
          "An access is outside the object that it was made for, or its address is null or "
          "misaligned.",
          "Compare the size of the object with what is accessed.", "cwe-119"};
    case CheckKind::PointerOverflow:
      return {"Pointer arithmetic leaves the address space.",
              "Check the offset before it is added to the pointer.", "cwe-823"};
    case CheckKind::Assertion:
      return {"A precondition of the standard library does not hold.",
              "The message of the library names the precondition; establish it before the call.",
              "cwe-617"};
    case CheckKind::BufferSize:
      return {"More bytes are to be written than the buffer holds.",
              "Bound the length by the size of the destination.", "cwe-120"};
    case CheckKind::StackSmash:
      return {"The guard of a stack frame was overwritten.",
              "Something in this function wrote past one of its arrays before it returned.",
              "cwe-121"};
  }
  return {"A check failed.", "", "cwe-119"};
}

const char* found_by(BoundSource source) {
  switch (source) {
    case BoundSource::X86Bound:
      return "Found by the processor's BOUND instruction (#BR).";
    case BoundSource::ClangTrap:
      return "Found by a check of clang's -fsanitize-trap.";
    case BoundSource::CheckTrap:
      return "Found by a compiled-in check that ends in a trap: gcc's -fsanitize=bounds, clang's "
             "-fsanitize=local-bounds.";
    case BoundSource::LibcxxHardening:
      return "Found by a check of hardened libc++.";
    case BoundSource::UbsanHandler:
      return "Found by the undefined behaviour sanitizer.";
    case BoundSource::LibstdcxxAssertion:
      return "Found by an assertion of libstdc++ (_GLIBCXX_ASSERTIONS).";
    case BoundSource::LibcxxAbort:
      return "Found by a check of libc++ that reports and aborts.";
    case BoundSource::Fortify:
      return "Found by _FORTIFY_SOURCE.";
    case BoundSource::StackProtector:
      return "Found by -fstack-protector.";
    case BoundSource::X86Mpx:
      return "Found by the processor's MPX instructions (#BR).";
  }
  return "";
}

// "clang-trap" as "ClangTrap".
std::string pascal_case(const char* name) {
  std::string out;
  bool begins = true;
  for (; *name != '\0'; ++name) {
    const bool is_letter = *name >= 'a' && *name <= 'z';
    const bool is_digit = *name >= '0' && *name <= '9';
    if (is_letter || is_digit) {
      out += begins && is_letter ? static_cast<char>(*name - 'a' + 'A') : *name;
    } else if (*name == '+') {
      out += 'p';
    }
    begins = !is_letter && !is_digit;
  }
  return out;
}

}  // namespace

CheckRule check_rule(BoundSource source, CheckKind check) {
  const Check what = describe(check);
  CheckRule rule;
  rule.id = std::string(source_name(source)) + "/" + check_kind_name(check);
  rule.name = pascal_case(source_name(source)) + pascal_case(check_kind_name(check));
  rule.summary = what.summary;
  rule.explanation = std::string(found_by(source)) + " " + what.remedy;
  rule.cwe = what.cwe;
  return rule;
}

}  // namespace kebound::report
