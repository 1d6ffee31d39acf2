// SPDX-License-Identifier: Apache-2.0
//
// wronganswer32: registers a callback through the library that is preloaded into it, if one is,
// whose answer is none. Without a library, status 3.
#include <dlfcn.h>

#include "guest.h"
#include "kebound/kebound.h"

static kebound_answer answer(const kebound_event* event, kebound_registers* registers,
                             void* context) {
  (void)event;
  (void)registers;
  (void)context;
  return (kebound_answer)7;
}

int main(void) {
  kebound_handle (*add)(kebound_callback, void*) = NULL;
  *(void**)&add = dlsym(RTLD_DEFAULT, "kebound_register");
  if (add == NULL) return 3;
  const struct bounds32 bounds = {0, 9};
  CHECK(add(answer, NULL) != 0);
  bound32(12, &bounds);
  fail("resumed");
}
