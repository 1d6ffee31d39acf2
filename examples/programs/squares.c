// SPDX-License-Identifier: Apache-2.0
//
// An array and an index from outside, as everybody writes it. What checks the index is the compiler:
//
//   clang -g -O2 -fsanitize=bounds -fsanitize-trap=bounds -o squares squares.c
//   gcc -g -O2 -fsanitize=bounds -fsanitize-undefined-trap-on-error -o squares squares.c
//
//   squares [INDEX]...      prints the squares at these indices (default: 3 and 12)
#include <stdio.h>
#include <stdlib.h>

static int squares[10] = {0, 1, 4, 9, 16, 25, 36, 49, 64, 81};

static __attribute__((noinline)) int square(int index) { return squares[index]; }

static void show(int index) { printf("square %d is %d\n", index, square(index)); }

int main(int argc, char** argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (argc < 2) {
    show(3);
    show(12);
  }
  for (int i = 1; i < argc; ++i) show(atoi(argv[i]));
  puts("done");
  return 0;
}
