// SPDX-License-Identifier: Apache-2.0
//
// Two checks that gcc gives one trap. merged FLAG FIRST SECOND: which array is indexed is decided by
// what lies in memory, and where both numbers would have left the same flags, nothing in the
// registers says which of them it was.
#include <stdlib.h>

// Compared where it lies: whatever was read into a register would say it.
char which = 's';
int first[10], second[10];

__attribute__((noipa)) static int pick(long i, long k) {
  if (which == 'f') return first[i];
  return second[k];
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  which = atoi(argv[1]) ? 'f' : 's';
  return pick(atol(argv[2]), atol(argv[3]));
}
