// SPDX-License-Identifier: Apache-2.0
//
// Six checked accesses and one that no compiler can check.
#include <string.h>

struct record {
  int before;
  int inner[5];
  int after;
};

int table[10];
int bytes[100];
int matrix[3][4];
int one;
int two;

__attribute__((noinline)) int pick(int index) { return table[index]; }
__attribute__((noinline)) int pick_byte(unsigned char index) { return bytes[index]; }
__attribute__((noinline)) int variable_length(int length, int index) {
  int local[length];
  memset(local, 1, sizeof local);
  return local[index];
}
__attribute__((noinline)) int member(struct record* record, int index) {
  return record->inner[index];
}
__attribute__((noinline)) int two_dimensions(int row, int column) { return matrix[row][column]; }
__attribute__((noinline)) int unchecked(int* pointer, long index) { return pointer[index]; }

// Its table of jumps is no access of the program's.
__attribute__((noinline)) int choose(int way) {
  switch (way) {
    case 0:
      return one;
    case 1:
      return two * 5;
    case 2:
      return one - 3;
    case 3:
      return two ^ 77;
    case 4:
      return one << 2;
    case 5:
      return two / 9;
    default:
      return 1;
  }
}

int main(int argc, char** argv) {
  struct record record = {0};
  (void)argv;
  return pick(argc) + pick_byte((unsigned char)argc) + variable_length(argc + 3, argc) +
         member(&record, argc) + two_dimensions(1, argc) + unchecked(table, argc) + choose(argc);
}
