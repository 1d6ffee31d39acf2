// SPDX-License-Identifier: Apache-2.0
//
// What the code says about one compare that leads to a trap: whether it compares an index with a
// limit, where else the index is kept, and whether the check can be executed again with another
// index. Plain data that stays true as long as the code does; made once and kept. Freestanding.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "trap/x86/compare.h"
#include "trap/x86/flow_analysis.h"
#include "trap/x86/trap_site.h"

namespace kebound::x86 {

// How sure it is that the compared number is the index of an access.
enum class IndexProof : uint8_t {
  None,       // nothing behind the check uses it to address memory
  Pointer,    // it is an address itself
  Bytes,      // it is the offset of an access in bytes, of elements that are longer
  Address,    // an address is calculated from it, no access was seen
  Element,    // it addresses memory, with a factor that is the size of the access
  Structure,  // it addresses memory, with a greater factor
};

// A place that holds the index when the check fails.
struct StaticPlace {
  bool in_memory = false;
  uint8_t reg = 0;              // in_memory: the base of its address, or kNoRegister
  uint8_t bits = 0;             // the low bits of it that are the index'
  uint8_t size = 0;             // in_memory: bytes
  Rest rest = Rest::Unrelated;  // how the others follow
  int64_t displacement = 0;     // in_memory
};

struct CheckSite {
  uint64_t branch = 0;
  uint64_t compare = 0;
  BoundShape shape;
  IndexProof proof = IndexProof::None;
  bool displaced = false;            // the proving access has a displacement: index + k is possible
  int32_t factor = 0;                // bytes between elements, as the proving access has it
  Doubt resume_doubt = Doubt::None;  // None: the check may be executed again
  uint8_t place_count = 0;
  StaticPlace places[kMaxIndexPlaces];
};

// Analyses the check of `edge`, in the function that `code` has been loaded with. `shape` is that
// of the edge's compare. Context: anywhere.
void analyze_check(const TrapEdge& edge, const BoundShape& shape, const TrapEntries& entries,
                   const FunctionCode& code, const RecoverySource& source, FlowRoom& room,
                   CheckSite& site) noexcept;

}  // namespace kebound::x86
