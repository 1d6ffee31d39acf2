// SPDX-License-Identifier: Apache-2.0
//
// From a compiler's trap back to the check that failed: which compare, which index, which limits,
// and whether the thread may be resumed there. docs/recovery.md has the argument. Freestanding, no
// allocation, bounded time; code, registers and memory are hostile.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "trap/bound_event.h"
#include "trap/memory_reader.h"
#include "trap/x86/array_type.h"
#include "trap/x86/code_range.h"
#include "trap/x86/function_facts.h"
#include "trap/x86/instruction.h"
#include "trap/x86/registers.h"
#include "trap/x86/resume.h"

namespace kebound::x86 {

// What the first sight of a trap may cost: bytes of text that are searched for jumps to it.
inline constexpr uint64_t kMaxTextSearch = 64 << 20;

// Where a piece of code lies. What gcc moved to foo.cold is a range of its own, beside foo's.
struct CodePlace {
  CodeRange function;  // the range of the unwind table around the address
  CodeRange text;      // the executable segment of the image around it
};

// How the recovery learns where functions begin. `find` is false for an address in no known
// function.
struct FunctionLookup {
  void* self = nullptr;
  bool (*find)(void* self, uint64_t address, CodePlace& out) noexcept = nullptr;
};

// What the caller knows about the image beside its code.
struct TrapEvidence {
  bool unique_traps = false;       // the immediates of its ud1 are a counter, not kinds
  bool hardening_message = false;  // DWARF at the trap names a library's check (libc++)
};

// All that a recovery looks at.
struct RecoverySource {
  CodeMode mode = CodeMode::Bits64;
  MemoryReader memory;  // code and data of the thread
  FunctionLookup functions;
  TrapEvidence evidence;
  ArrayLookup arrays = {};
  FunctionFactsLookup facts = {};
};

// What is known about traps that were seen before, and the room to look at new ones. Large (6.3
// MiB, or 2.1 in kernels, most of it untouched until a trap is analysed) and all zero when new:
// static storage, or pages of its own. Any number of threads may use one at once; it is never
// locked against readers.
class RecoveryCache;

// Decides what the compiler's trap at registers.rip is about.
//
// True if the trap is a failed bounds check, `event` and `recovery` are then filled: source, check,
// trap_ip always; ip, index and limits as far as `confidence` says, `doubt` why not further;
// event.resumable only where correcting recovery.places and executing from recovery.resume_ip on is
// what the program would do with another index.
// False if nothing says that it is one: no compiler trap, or a ud2 (assertion, unreachable, null
// check) whose branch does not compare an index with a limit. event.doubt says why, nothing else in
// `event` has a meaning then.
//
// Time is bounded: the first sight of a trap decodes functions of at most kMaxFunctionBytes and
// searches at most kMaxTextSearch bytes; later ones decode nothing but the compares.
// Context: anywhere, signal handlers included, as far as `memory` and `functions` allow. Does not
// block: where all workspaces are taken by other threads the doubt is Busy.
[[nodiscard]] bool recover_check(const RecoverySource& source, const Registers& registers,
                                 RecoveryCache& cache, BoundEvent& event,
                                 Recovery& recovery) noexcept;

// Index and limits of the check that led to the call at at_call.rip: of a function that reports
// that an index was not less than a size, or not less or equal. The check's flags are gone, and so
// may its operands be; what is left of them, in registers and on the stack, must say that this
// check failed, and no other that leads to the call. True if `event` has index, limits and
// confidence now, false and `event` untouched where they are not known. Nothing is remembered: the
// program ends. Context: as recover_check().
[[nodiscard]] bool recover_called_check(const RecoverySource& source, const Registers& at_call,
                                        RecoveryCache& cache, BoundEvent& event) noexcept;

// Forgets what is known about code in `range`, which was unmapped or overwritten. Context:
// anywhere.
void forget_code(RecoveryCache& cache, CodeRange range) noexcept;

}  // namespace kebound::x86
