// SPDX-License-Identifier: Apache-2.0
//
// The library's C functions over the runtime.
#include "hosts/inproc/bug_check.h"
#include "hosts/inproc/runtime.h"
#include "hosts/inproc/thread_state.h"
#include "include/kebound/ke.h"
#include "include/kebound/kebound.h"

using namespace kebound::inproc;

extern "C" {

kebound_status kebound_init(const kebound_options* options) { return start(options); }

kebound_handle kebound_register(kebound_callback callback, void* context) {
  return add_callback(reinterpret_cast<void*>(callback), context, __builtin_return_address(0));
}

kebound_status kebound_deregister(kebound_handle handle) { return remove_callback(handle); }

void kebound_guard_push(kebound_guard* guard) {
  // Without a handler in place there would be nobody to jump.
  static_cast<void>(start(nullptr));
  guard->event.size = 0;
  guard->outer = innermost_guard();
  innermost_guard() = guard;
}

void kebound_guard_end(kebound_guard* guard) { innermost_guard() = guard->outer; }

const char* kebound_version(void) { return KEBOUND_VERSION; }

PVOID KeRegisterBoundCallback(PBOUND_CALLBACK CallbackRoutine) {
  const kebound::Handle handle =
      add_callback(reinterpret_cast<void*>(CallbackRoutine), const_cast<char*>(&kNtRoutine),
                   __builtin_return_address(0));
  return reinterpret_cast<PVOID>(static_cast<uintptr_t>(handle));
}

NTSTATUS KeDeregisterBoundCallback(PVOID Handle) {
  const kebound_status status = remove_callback(reinterpret_cast<uintptr_t>(Handle));
  return status == KEBOUND_INVALID_HANDLE ? STATUS_INVALID_HANDLE : STATUS_SUCCESS;
}

void KeBugCheckEx(ULONG BugCheckCode, ULONG_PTR BugCheckParameter1, ULONG_PTR BugCheckParameter2,
                  ULONG_PTR BugCheckParameter3, ULONG_PTR BugCheckParameter4) {
  Line words;
  words.text("KeBugCheckEx was called at ")
      .place(reinterpret_cast<uintptr_t>(__builtin_return_address(0)));
  bug_check({BugCheckCode,
             {BugCheckParameter1, BugCheckParameter2, BugCheckParameter3, BugCheckParameter4},
             routine_inside(),
             words.c_str()});
}

}  // extern "C"
