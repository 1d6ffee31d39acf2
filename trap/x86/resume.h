// SPDX-License-Identifier: Apache-2.0
//
// How a thread goes on after a bound exception that a callback handled. BOUND is simple: with the
// registers as the callback left them. A check that a compiler wrote is a compare and a branch to a
// trap; the index is in several places by then, and the code behind the trap does not exist.
// Freestanding.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "trap/bound_event.h"
#include "trap/x86/registers.h"

namespace kebound::x86 {

// One of the places that hold the index when the check fails, the checked one included.
struct IndexPlace {
  enum class Kind : uint8_t { Register, Memory };
  enum class Extension : uint8_t { None, Zero, Sign };  // None: bits above `width` are kept
  Kind kind = Kind::Register;
  uint8_t reg = 0;                        // Gpr, for Register
  uint8_t width = 0;                      // bits of the index in it: 8, 16, 32, 64
  Extension extension = Extension::None;  // Register: how the rest of its 64 bits follows
  int64_t addend = 0;                     // the place holds index + addend
  uint64_t address = 0;                   // for Memory
};

inline constexpr size_t kMaxIndexPlaces = 8;

// What recovering a check found out beside the event.
struct Recovery {
  uint64_t resume_ip = 0;  // where to execute the check again: event.ip, or shortly before
  uint8_t place_count = 0;
  IndexPlace places[kMaxIndexPlaces];
};

struct MemoryWrite {
  uint64_t address = 0;
  uint64_t value = 0;
  uint8_t size = 0;  // bytes, little-endian
};

// What Handled comes to. Everything but Resume is refused: the exception propagates, and is said
// to.
enum class Resumption : uint8_t {
  Resume,
  NotResumable,  // event.doubt says why
  NoPlace,       // the index is not where it could be corrected: a copy of it was passed to a function
  BehindTrap,    // the callback set the ip to the trap or the code behind it: the compiler did not
                 // make that code for an index that is out of bounds
};
[[nodiscard]] const char* resumption_text(Resumption resumption) noexcept;

struct ResumePlan {
  Resumption verdict = Resumption::Resume;
  uint8_t write_count = 0;
  MemoryWrite writes[kMaxIndexPlaces];
};

// `seen`: the registers that the callbacks were given (rip is event.ip). `after`: as they left
// them; what is to be resumed with is put there. `corrected`: null, or the index that a callback
// asked for beside the registers. A callback that sets rip to another place of the program has its
// will; else the index that it corrected goes to all places. The memory writes are the caller's to
// make, before the thread resumes. Context: anywhere.
[[nodiscard]] ResumePlan plan_resumption(const BoundEvent& event, const Recovery& recovery,
                                         const Registers& seen, const int64_t* corrected,
                                         Registers& after) noexcept;

}  // namespace kebound::x86
