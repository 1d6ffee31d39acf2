// SPDX-License-Identifier: Apache-2.0
//
// Replaces operator new, so that a case can say that dispatch does not come here. In a file of its
// own: seen together, compilers object to new and delete that are malloc and free.
#include "tests/conformance/allocation_count.h"

#include <stdlib.h>

#include <new>

namespace kebound::conformance {

namespace {
thread_local uint64_t t_allocations = 0;
}

uint64_t allocations_of_this_thread() noexcept { return t_allocations; }

namespace {
void* allocate(size_t size) {
  ++t_allocations;
  if (void* const memory = malloc(size != 0 ? size : 1)) return memory;
  throw std::bad_alloc();
}
}  // namespace

}  // namespace kebound::conformance

void* operator new(size_t size) { return kebound::conformance::allocate(size); }
void operator delete(void* memory) noexcept { free(memory); }
void operator delete(void* memory, size_t /*size*/) noexcept { free(memory); }
