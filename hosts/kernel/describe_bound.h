// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "trap/bound_event.h"
#include "trap/memory_reader.h"
#include "trap/x86/registers.h"

namespace kebound {

// What is known about a #BR of user mode. The processor says that it is a bound exception, by
// vector 5; BOUND raises it, and MPX. The bytes and the bounds may have changed since the processor
// read them: then the event says less, but it stays one. Context: as `memory` allows.
void describe_bound(const x86::Registers& registers, MemoryReader memory,
                    BoundEvent& event) noexcept;

}  // namespace kebound
