// SPDX-License-Identifier: Apache-2.0
//
// Stands in front of the C library's allocator and counts.
#include <stddef.h>

#include "tests/conformance/allocation_count.h"

extern "C" {
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* memory, size_t size);
void* __libc_memalign(size_t alignment, size_t size);
}

namespace kebound::conformance {

namespace {
__attribute__((tls_model("initial-exec"))) thread_local uint64_t t_allocations = 0;
}

uint64_t allocations_of_this_thread() noexcept { return t_allocations; }

}  // namespace kebound::conformance

using kebound::conformance::t_allocations;

extern "C" {

void* malloc(size_t size) {
  ++t_allocations;
  return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
  ++t_allocations;
  return __libc_calloc(count, size);
}
void* realloc(void* memory, size_t size) {
  ++t_allocations;
  return __libc_realloc(memory, size);
}
void* memalign(size_t alignment, size_t size) {
  ++t_allocations;
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(size_t alignment, size_t size) {
  ++t_allocations;
  return __libc_memalign(alignment, size);
}

}  // extern "C"
