// SPDX-License-Identifier: Apache-2.0
//
// Shapes' twins: functions whose checks have another index than the shape's, or are no bounds checks, for which a compiler
// makes the very same instructions. Where it does, code cannot tell which of both it is, and the
// cell counts as one without a compare to read the index from. twins.py compares the code.
#include "shape.h"

SHAPE_DATA int twin_single[1] = {77};
SHAPE_DATA int twin_data[40];

#ifdef __clang__
// 2 * k is 0 where k is: the index is not what is compared.
SHAPE_FUNCTION long twin_limit_of_one(long input) {
  const int k = (int)input;
  return twin_single[2 * k];
}
#else
// A condition of the program.
SHAPE_FUNCTION long twin_limit_of_one(long input) {
  const int i = (int)input;
  if (i != 0) __builtin_trap();
  return twin_single[0];
}
#endif

// A condition of the program about i, which is in bounds.
SHAPE_FUNCTION long twin_over_the_end(long input) {
  const int* const place = twin_data;
  long sum = 0;
  int turns = 0;
  for (int i = 0; i <= (int)input && turns < 11; ++i, ++turns) {
    if ((unsigned long)(long)i > 9) __builtin_trap();
    sum += place[i];
  }
  return sum;
}

// The same with two of them.
SHAPE_FUNCTION long twin_copied_between(long input) {
  int* const target = twin_data;
  const int* const source = twin_data + 20;
  int turns = 0;
  for (int i = 0; i < (int)input && turns < 14; ++i, ++turns) {
    if ((unsigned long)(long)i > 19) __builtin_trap();
    if ((unsigned long)(long)i > 9) __builtin_trap();
    target[i] = source[i];
  }
  return target[9];
}

long (*const twins[])(long) = {twin_limit_of_one, twin_over_the_end, twin_copied_between};
