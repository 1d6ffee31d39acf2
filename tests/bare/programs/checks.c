// SPDX-License-Identifier: Apache-2.0
//
// Array accesses that the compiler checks (-fsanitize=bounds, trapping), with an index out of bounds
// that the program is given. Returns what it read.
#include "user.h"

static int squares[10];

void on_exception(struct user_context* context) {
  call_kernel(kCallExit, 1000 + (long)context->vector, 0);
}

// Not static: of one whose callers clang has all seen, the number in the register may be another than
// the index (docs/recovery.md).
int square_of(int index);
__attribute__((noinline)) int square_of(int index) { return squares[index]; }

unsigned program_main(unsigned argument) {
  volatile int last = 10;
  for (int i = 0; i < last; ++i) squares[i % 10] = i * i;
  catch_exceptions();
  return (unsigned)square_of((int)argument);
}
