// SPDX-License-Identifier: Apache-2.0
//
// Checks that a compiler wrote: from the invalid opcode that ends one back to its compare, and from
// a callback's answer to the thread that goes on there. docs/recovery.md has the argument.
#pragma once

#include "core/registry.h"
#include "hosts/linux_module/threads.h"

namespace kebound::linux_module {

// Whether the thread's exception, an invalid opcode at at_fault.rip, is a failed bounds check. If
// so the event is that of the check, at_fault is at the compare, and the way back is in `recovery`.
// If not, all is as it was. Reads and analyses user code: may sleep, until the process is killed.
// Context: task.
[[nodiscard]] bool recover_exception(TaskThread& thread) noexcept;

// Handled: whether the thread may go on with `wanted`, which gets the corrected index, as does the
// process' memory. If not, the log has the reason. Context: task.
[[nodiscard]] bool resume_check(const Registration& who, TaskThread& thread,
                                x86::Registers& wanted);

[[nodiscard]] constexpr bool is_compilers_check(const BoundEvent& event) noexcept {
  return event.source != BoundSource::X86Bound && event.source != BoundSource::X86Mpx;
}

}  // namespace kebound::linux_module
