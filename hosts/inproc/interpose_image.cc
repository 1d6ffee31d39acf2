// SPDX-License-Identifier: Apache-2.0
//
// An image that goes away runs its finalizers, which end in __cxa_finalize(its dso handle): from
// dlclose(3), also where that unmaps images only indirectly, and from exit(3). Standing in front of
// the C library's, we see every image go, at the right moment: after its own destructors have had
// the chance to deregister, and before it is unmapped.
#include <dlfcn.h>

#include "core/atomic.h"
#include "hosts/inproc/runtime.h"

namespace {

using Finalize = void (*)(void*);

Finalize next_finalize() noexcept {
  static constinit kebound::Atomic<Finalize> next{nullptr};
  Finalize found = next.load(kebound::MemoryOrder::Relaxed);
  if (found == nullptr) {
    found = reinterpret_cast<Finalize>(dlsym(RTLD_NEXT, "__cxa_finalize"));
    next.store(found, kebound::MemoryOrder::Relaxed);
  }
  return found;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) void __cxa_finalize(void* dso) {
  const Finalize next = next_finalize();
  if (next != nullptr) next(dso);
  if (dso != nullptr) kebound::inproc::forget_image(reinterpret_cast<uintptr_t>(dso));
}
