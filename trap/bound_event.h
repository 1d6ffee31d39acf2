// SPDX-License-Identifier: Apache-2.0
//
// The one shape in which every bounds failure reaches callbacks, policies and reports: what BOUND
// would have raised, a fault at the check.
#pragma once

#include <stdint.h>

namespace kebound {

// Where a bound event comes from. The names that appear in reports are in source_name().
enum class BoundSource : uint8_t {
  X86Bound = 1,   // #BR by the BOUND instruction
  ClangTrap = 2,  // ud1 of clang's -fsanitize-trap: the instruction carries the kind of check
  CheckTrap = 3,  // ud2 behind a compare of an index with its limit: gcc, -fsanitize=local-bounds
  LibcxxHardening = 4,     // a trap of hardened libc++
  UbsanHandler = 5,        // __ubsan_handle_out_of_bounds and its family
  LibstdcxxAssertion = 6,  // std::__glibcxx_assert_fail
  LibcxxAbort = 7,         // std::__libcpp_verbose_abort
  Fortify = 8,             // __memcpy_chk and its siblings
  StackProtector = 9,      // __stack_chk_fail
  X86Mpx = 10,             // #BR by BNDCL, BNDCU, BNDCN
};
inline constexpr BoundSource kLastSource = BoundSource::X86Mpx;

[[nodiscard]] constexpr const char* source_name(BoundSource source) noexcept {
  switch (source) {
    case BoundSource::X86Bound:
      return "x86-bound";
    case BoundSource::ClangTrap:
      return "clang-trap";
    case BoundSource::CheckTrap:
      return "check-trap";
    case BoundSource::LibcxxHardening:
      return "libc++";
    case BoundSource::UbsanHandler:
      return "ubsan";
    case BoundSource::LibstdcxxAssertion:
      return "libstdc++";
    case BoundSource::LibcxxAbort:
      return "libc++-abort";
    case BoundSource::Fortify:
      return "fortify";
    case BoundSource::StackProtector:
      return "stack-protector";
    case BoundSource::X86Mpx:
      return "x86-mpx";
  }
  return "unknown";
}

// What was checked.
enum class CheckKind : uint8_t {
  Unknown,
  ArrayBounds,      // an index against the length of what it indexes
  ObjectSize,       // an access against the size of its object; clang's number for it also covers
                    // null pointers and alignment
  PointerOverflow,  // pointer arithmetic
  Assertion,        // a library's precondition
  BufferSize,       // bytes to be written against the room for them
  StackSmash,       // the stack's guard was overwritten: what did it happened earlier
};
inline constexpr CheckKind kLastCheckKind = CheckKind::StackSmash;

[[nodiscard]] constexpr const char* check_kind_name(CheckKind kind) noexcept {
  switch (kind) {
    case CheckKind::Unknown:
      return "unknown";
    case CheckKind::ArrayBounds:
      return "array-bounds";
    case CheckKind::ObjectSize:
      return "object-size";
    case CheckKind::PointerOverflow:
      return "pointer-overflow";
    case CheckKind::Assertion:
      return "assertion";
    case CheckKind::BufferSize:
      return "buffer-size";
    case CheckKind::StackSmash:
      return "stack-smash";
  }
  return "unknown";
}

enum class Confidence : uint8_t {
  Unknown,  // index and bounds are not known
  Likely,   // inferred, several explanations were possible
  Certain,  // read off the instruction and the registers
};

[[nodiscard]] constexpr const char* confidence_name(Confidence confidence) noexcept {
  switch (confidence) {
    case Confidence::Unknown:
      return "unknown";
    case Confidence::Likely:
      return "likely";
    case Confidence::Certain:
      return "certain";
  }
  return "unknown";
}

// Why an event does not have its index and bounds, or why it cannot be resumed at the check.
enum class Doubt : uint8_t {
  None,
  NoFunction,         // the function around the trap is not known: no unwind table
  FunctionTooLarge,   // longer than what is searched
  CodeUnreadable,     // or not an instruction
  NoBranch,           // no branch that leads to the trap
  NoCompare,          // a branch, but no compare that it depends on
  NotABoundsCheck,    // the compare is not one of an index with a limit
  SeveralCandidates,  // more than one check may have led here
  OperandsChanged,    // they do not give the flags that the compare left
  MemoryUnreadable,   // an operand cannot be read
  Scaled,             // what was compared is not the index itself
  DerivedValues,      // values computed from the index before the check are in use behind it
  CopiesUnknown,      // where else the index is kept is not known
  NotRepeatable,      // what lies between check and trap cannot be executed again
  CallNotResumable,   // the check is a call that does not come back
  UniqueTraps,        // the image numbers its traps: the kind is not known
  LoopCounter,        // the index counts a loop, which would not end with it corrected each time
  Busy,               // other threads have all room for the analysis
  NotSaid,            // the check reports no index
  LimitNotSaid,       // it reports the index alone
  ArgumentsLost,      // what the check was called with is not known any more
};
inline constexpr Doubt kLastDoubt = Doubt::ArgumentsLost;

// For messages: "why" in words. Empty for None.
[[nodiscard]] constexpr const char* doubt_text(Doubt doubt) noexcept {
  switch (doubt) {
    case Doubt::None:
      return "";
    case Doubt::NoFunction:
      return "the function around the trap is not known";
    case Doubt::FunctionTooLarge:
      return "the function is too large to be searched";
    case Doubt::CodeUnreadable:
      return "the code around the trap cannot be read";
    case Doubt::NoBranch:
      return "no branch leads to the trap";
    case Doubt::NoCompare:
      return "no compare decides about the branch to the trap";
    case Doubt::NotABoundsCheck:
      return "the compare is not one of an index with a limit";
    case Doubt::SeveralCandidates:
      return "more than one check may have led to the trap";
    case Doubt::OperandsChanged:
      return "the operands of the compare have changed since";
    case Doubt::MemoryUnreadable:
      return "an operand of the compare cannot be read";
    case Doubt::Scaled:
      return "what was compared is not the index itself";
    case Doubt::DerivedValues:
      return "values computed from the index before the check are used behind it";
    case Doubt::CopiesUnknown:
      return "where else the index is kept is not known";
    case Doubt::NotRepeatable:
      return "what lies between check and trap cannot be executed again";
    case Doubt::CallNotResumable:
      return "the failed check does not come back";
    case Doubt::UniqueTraps:
      return "the program numbers its traps, so that their kind is not known";
    case Doubt::LoopCounter:
      return "the index counts the rounds of a loop, which would never end";
    case Doubt::Busy:
      return "other threads have all room for the analysis";
    case Doubt::NotSaid:
      return "the check reports no index";
    case Doubt::LimitNotSaid:
      return "the check reports no limit of the index";
    case Doubt::ArgumentsLost:
      return "what the check was called with is not known any more";
  }
  return "unknown";
}

// The members are in the order of abi.h's kebound_event: a host on whose way each instruction counts
// copies them as they lie.
struct BoundEvent {
  BoundSource source = BoundSource::X86Bound;
  Confidence confidence = Confidence::Unknown;
  uint8_t instruction_length = 0;  // of the instruction at ip, bytes; 0: unknown
  uint8_t index_register = 0;      // x86::Gpr that holds the index, where index_address is 0
  uint8_t index_width = 0;         // bits of the comparison: 8, 16, 32, 64; 0: unknown
  CheckKind check = CheckKind::ArrayBounds;
  // Handled may resume: at ip, with the index as corrected. Where not, what would run then is not
  // what the compiler made the check for.
  bool resumable = true;
  Doubt doubt = Doubt::None;    // of index and bounds, or else of resuming
  uint64_t ip = 0;              // of the failing check, user virtual address
  int64_t index = 0;            // signed: sign-extended from index_width
  int64_t lower = 0;            // both bounds are inclusive
  int64_t upper = 0;
  uint64_t bounds_address = 0;  // where the pair of bounds was read, 0 if nowhere
  uint64_t trap_ip = 0;         // of what raised the exception; for BOUND the check itself
  uint64_t index_raw = 0;       // the index' bits at index_width
  uint64_t index_address = 0;   // where it is in memory, 0: in index_register
  // An instruction that has the source line of the check, where compilers give that of the compare
  // itself to a neighbour: the access that the check guards. 0: ip has it, as far as is known.
  uint64_t line_ip = 0;

  bool operator==(const BoundEvent&) const = default;
};

}  // namespace kebound
