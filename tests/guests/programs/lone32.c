// SPDX-License-Identifier: Apache-2.0
//
// lone32: one thread of the pair that the driver `meet` waits for; the other never comes. For who
// kills it.
#include "guest.h"

int main(void) {
  const struct bounds32 bounds = {0, 9};
  setvbuf(stdout, NULL, _IOLBF, 0);
  printf("pid %d\n", (int)getpid());
  bound32(1000, &bounds);
  return 1;
}
