// SPDX-License-Identifier: Apache-2.0
//
// index64 N: an array access that clang checks (-fsanitize=bounds, trapping).
#include <stdio.h>
#include <stdlib.h>

static int squares[10];

__attribute__((noinline)) static int square_of(int index) { return squares[index]; }

int main(int argc, char** argv) {
  for (int i = 0; i < 10; ++i) squares[i] = i * i;
  printf("%d\n", square_of(argc > 1 ? atoi(argv[1]) : 3));
  return 0;
}
