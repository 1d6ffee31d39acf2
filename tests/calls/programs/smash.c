// SPDX-License-Identifier: Apache-2.0
// smash [N]: N bytes are written to an array of 16; -fstack-protector-all notices at the end.
#include <stdio.h>
#include <stdlib.h>

__attribute__((noinline)) static int fill(int count) {
  char bytes[16];
  char* volatile to = bytes;
  for (int i = 0; i < count; ++i) to[i] = 'x';
  return to[0];
}

int main(int argc, char** argv) {
  const int result = fill(argc > 1 ? atoi(argv[1]) : 16);
  printf("%c\n", result);
  return 0;
}
