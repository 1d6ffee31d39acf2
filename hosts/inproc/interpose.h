// SPDX-License-Identifier: Apache-2.0
//
// What the preload library's parts tell each other.
#pragma once

namespace kebound::inproc {

// Whose memory this is: at start and in a fork's child. Context: not in a signal handler.
void remember_process() noexcept;

// Finds the C library's pthread_create(3). Context: not in a signal handler.
void find_thread_functions() noexcept;

}  // namespace kebound::inproc
