// SPDX-License-Identifier: Apache-2.0
//
// A C program that uses libkebound; prints what it learnt. Exit status 1 when that is not what it
// must be.
#include <kebound/ke.h>
#include <kebound/kebound.h>
#include <stdio.h>
#include <string.h>

static int asked;

static kebound_answer skip(const kebound_event* event, kebound_registers* registers,
                           void* context) {
  ++*(int*)context;
  if (event->source != KEBOUND_SOURCE_CLANG_TRAP) return KEBOUND_CONTINUE_SEARCH;
  registers->ip += 16;  // to code of ours: what is right behind a trap is refused
  return KEBOUND_HANDLED;
}

// What clang ends a failed array check with; the same bytes in 32-bit code.
static void fail_a_check(void) {
  __asm__ volatile(".byte 0x67, 0x0f, 0xb9, 0x40, 0x12; .skip 11, 0x90");
}

int main(void) {
  const kebound_handle handle = kebound_register(skip, &asked);
  if (handle == 0) return 1;
  fail_a_check();
  fail_a_check();
  if (asked != 2 || kebound_deregister(handle) != KEBOUND_OK) return 1;
  if (kebound_deregister(handle) != KEBOUND_INVALID_HANDLE) return 1;

  kebound_guard guard;
  volatile int abandoned = 0;
  if (kebound_guard_begin(&guard) == 0) {
    fail_a_check();
    kebound_guard_end(&guard);
  } else {
    abandoned = 1;
  }
  if (abandoned != 1 || KeRegisterBoundCallback(NULL) != NULL) return 1;
  printf("%s %d bits: asked %d times\n", kebound_version(), (int)(8 * sizeof(void*)), asked);
  return 0;
}
