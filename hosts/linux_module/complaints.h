// SPDX-License-Identifier: Apache-2.0
//
// What the module says in the kernel's log: the lines of hosts/kernel/complaint_lines.h behind "kebound: ".
#pragma once

#include <stdint.h>

#include "core/registry.h"
#include "nt/host.h"

namespace kebound::linux_module {

// A violation, said once for each registration: the program decides how often it happens.
void complain_once(const Registration& registration, const char* rule, const char* what);

void report_termination(uint64_t routine, const char* reason);

// The log line alone. Context: trap.
void report_bug_check(const nt::BugCheck& record);

void start_host() noexcept;

}  // namespace kebound::linux_module
