// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "trap/bound_event.h"
#include "trap/memory_reader.h"
#include "trap/x86/registers.h"

namespace kebound {

// What is known about a #BR of user mode. The processor says that it is a bound exception, by
// vector 5; BOUND raises it, and MPX. The bytes and the bounds may have changed since the processor
// read them: then the event says less, but it stays one. `read_bases` completes registers that come
// without their segment bases, as most checks need none; null: they have them. Context: as `memory`
// allows.
using BaseReader = void (*)(x86::Registers& registers);
void describe_bound(x86::Registers& registers, const MemoryReader& memory, BaseReader read_bases,
                    BoundEvent& event) noexcept;

}  // namespace kebound
