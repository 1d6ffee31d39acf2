// SPDX-License-Identifier: Apache-2.0
// indices CASE: one check of -fsanitize=bounds fails. What the program prints and how it ends are
// the runtime library's doing.
#include <stdio.h>
#include <stdlib.h>

struct Pair {
  int first[3];
  int second[4];
  int last;
};

static int table[10];
static int grid[3][4];
static struct Pair pair;
static long long large[5];

__attribute__((noinline)) static int from_table(int index) { return table[index]; }    // LINE table
__attribute__((noinline)) static int from_grid(int i, int j) { return grid[i][j]; }    // LINE grid
__attribute__((noinline)) static int from_pair(unsigned i) { return pair.second[i]; }  // LINE pair
__attribute__((noinline)) static int from_byte(unsigned char i) { return table[i]; }   // LINE byte
__attribute__((noinline)) static long long from_large(long long i) {
  return large[i];  // LINE large
}

int main(int argc, char** argv) {
  const int which = argc > 1 ? atoi(argv[1]) : 0;
  long long sum = 0;
  switch (which) {
    case 0:
      sum = from_table(10);
      break;
    case 1:
      sum = from_table(-1);
      break;
    case 2:
      sum = from_grid(1, 4);
      break;
    case 3:
      sum = from_grid(3, 0);
      break;
    case 4:
      sum = from_pair(7);
      break;
    case 5:
      sum = from_byte(200);
      break;
    case 6:
      sum = from_large(5);
      break;
    case 7:
      sum = from_large(-4000000000LL);
      break;
    case 8:
      for (int i = 8; i < 12; ++i) sum += from_table(i);
      break;
    default:
      sum = from_table(9);
      break;
  }
  printf("case %d ended %s\n", which, sum == 12345 ? "oddly" : "well");
  return 0;
}
