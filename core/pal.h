// SPDX-License-Identifier: Apache-2.0
//
// The few things that a host supplies to core/. Every function is linked in by the host; core/ and
// trap/ have no other undefined symbol but mem{cpy,set,move,cmp} (a test checks it).
#pragma once

#include <stdint.h>

#include "core/annotations.h"

namespace kebound::pal {

// Blocks the calling thread of execution while *word == value. May return early (the caller
// re-checks), must not miss a wake_all() that follows a change of *word.
// Context: any place that may block; never in a signal handler.
void wait_while_equal(const uint64_t* word, uint64_t value) noexcept KEBOUND_BLOCKS;

// Wakes everybody who waits on the word. Context: anywhere, signal handlers included.
void wake_all(const uint64_t* word) noexcept;

// Returns after every processor that runs a thread of this host has executed a full memory barrier
// (membarrier(2) in user space). The expensive half of an asymmetric fence; only a deregistration
// that finds a dispatch in progress pays for it. Context: as wait_while_equal.
void heavy_barrier() noexcept KEBOUND_BLOCKS;

// A hint to the processor inside a spin loop.
void relax() noexcept;

}  // namespace kebound::pal
