// SPDX-License-Identifier: Apache-2.0
//
// Checks that the program makes itself, without any of the compiler's: conditions, which compilers
// fold.
#include "shape.h"

SHAPE_DATA int owned[10] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};

#ifdef SHAPES_CLAMPED
#define CHECK(condition) (void)0
#else
#define CHECK(condition) \
  if (!(condition)) __builtin_trap()
#endif

SHAPE_FUNCTION long own_check(long input) {
  long i = input;
  CLAMP(i, 0, 9);
  CHECK((unsigned long)i < 10);  // at own_check
  return owned[i];
}

SHAPE_FUNCTION long own_byte_and_sum(long input) {
  const unsigned char i = (unsigned char)input;
#ifdef SHAPES_CLAMPED
  return owned[9];
#endif
  CHECK(i + 3 < 10);  // at own_byte_and_sum
  return owned[i + 3];
}

static const struct shape own[] = {
    {"own check", "own_check", own_check, 12, 12, 0, 9},
    {"own check", "own_byte_and_sum", own_byte_and_sum, 9, 12, 0, 9},
};

extern const struct shape_list own_list;
const struct shape_list own_list = {own, sizeof own / sizeof *own};
