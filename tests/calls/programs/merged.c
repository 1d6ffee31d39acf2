// SPDX-License-Identifier: Apache-2.0
//
// Two checks that gcc gives one trap. merged FLAG FIRST SECOND: which array is indexed is decided by
// what lies in memory, and where both numbers would have left the same flags, nothing in the
// registers says which of them it was.
#include <stdlib.h>

static volatile int use_first;
int first[10], second[10];

__attribute__((noipa)) static int pick(long i, long k) {
  if (use_first) return first[i];
  return second[k];
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  use_first = atoi(argv[1]);
  return pick(atol(argv[2]), atol(argv[3]));
}
