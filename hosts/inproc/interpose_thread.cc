// SPDX-License-Identifier: Apache-2.0
//
// pthread_create(3) for the preload library: new threads get an alternate signal stack with a guard
// page, before they run anything of the program's.
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

#include "core/atomic.h"
#include "hosts/inproc/interpose.h"
#include "hosts/inproc/runtime.h"

namespace {

using Routine = void* (*)(void*);
using Create = int (*)(pthread_t*, const pthread_attr_t*, Routine, void*);

constinit kebound::Atomic<Create> g_create{nullptr};

struct Start {
  Routine routine;
  void* argument;
};

void* start_thread(void* opaque) {
  const Start start = *static_cast<Start*>(opaque);
  free(opaque);
  // Without one, handlers run on the thread's own stack: no reason to refuse the thread.
  static_cast<void>(kebound::inproc::ensure_alternate_stack());
  return start.routine(start.argument);
}

}  // namespace

namespace kebound::inproc {

void find_thread_functions() noexcept {
  g_create.store(reinterpret_cast<Create>(dlsym(RTLD_NEXT, "pthread_create")),
                 MemoryOrder::Release);
}

}  // namespace kebound::inproc

extern "C" __attribute__((visibility("default"))) int pthread_create(
    pthread_t* thread, const pthread_attr_t* attributes, Routine routine, void* argument) noexcept {
  // Another library's constructor may come before ours.
  if (g_create.load(kebound::MemoryOrder::Acquire) == nullptr) {
    kebound::inproc::find_thread_functions();
  }
  const Create create = g_create.load(kebound::MemoryOrder::Acquire);
  auto* const start = static_cast<Start*>(malloc(sizeof(Start)));
  if (start == nullptr) return create(thread, attributes, routine, argument);
  *start = {routine, argument};
  const int result = create(thread, attributes, start_thread, start);
  if (result != 0) free(start);
  return result;
}
