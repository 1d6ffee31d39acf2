// SPDX-License-Identifier: Apache-2.0
//
// A program that checks its array indices with BOUND: an index outside [0, 9] raises #BR, which
// Linux turns into SIGSEGV.
//
//   pick [INDEX]...      prints the squares at these indices (default: 3 and 12)
#include <stdio.h>
#include <stdlib.h>

struct bounds {
  int lower;
  int upper;
};

static const int squares[10] = {0, 1, 4, 9, 16, 25, 36, 49, 64, 81};
static const struct bounds limits = {0, 9};

// The check works on the register that the element is then read with: who corrects the register
// corrects the access.
static __attribute__((noinline)) int pick(int index) {
  __asm__("bound %0, %1" : "+a"(index) : "m"(limits));
  return squares[index];
}

static void show(int index) { printf("square %d is %d\n", index, pick(index)); }

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
