// SPDX-License-Identifier: Apache-2.0
//
// What the preload library's parts tell each other.
#pragma once

#include "trap/calls/call_source.h"

namespace kebound::inproc {

// Whose memory this is: at start and in a fork's child. Context: not in a signal handler.
void remember_process() noexcept;

// Finds the C library's pthread_create(3). Context: not in a signal handler.
void find_thread_functions() noexcept;

// From now on callbacks are asked about failed checks of these families that end in a call. Once.
// Context: not in a signal handler.
void watch_calls(calls::FamilySet families) noexcept;

}  // namespace kebound::inproc
