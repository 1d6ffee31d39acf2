// SPDX-License-Identifier: Apache-2.0
//
// clang's local-bounds: what was allocated in the same function. It compares bytes, with a plain
// ud2.
#include <stdlib.h>
#include <string.h>

#include "shape.h"

SHAPE_FUNCTION long heap_bytes(long input) {
  char* const bytes = malloc(40);
  if (bytes == NULL) return 0;
  memset(bytes, 'm', 40);
  __asm__ volatile("" : : "r"(bytes) : "memory");
  long i = input;
  CLAMP(i, 0, 39);
  const long value = bytes[i];  // at heap_bytes
  free(bytes);
  return value;
}

SHAPE_FUNCTION long heap_ints(long input) {
  int* const values = calloc(25, sizeof *values);
  if (values == NULL) return 0;
  values[24] = 7;
  __asm__ volatile("" : : "r"(values) : "memory");
  long i = input;
  CLAMP(i, 0, 24);
  const long value = values[i];  // at heap_ints
  free(values);
  return value;
}

SHAPE_FUNCTION long heap_of(long length, long i) {
  int* const values = malloc((size_t)length * sizeof *values);
  if (values == NULL) return 0;
  for (long k = 0; k < length; ++k) values[k] = (int)k;
  __asm__ volatile("" : : "r"(values) : "memory");
  CLAMP(i, 0, length - 1);
  const long value = values[i];  // at heap_variable
  free(values);
  return value;
}

SHAPE_FUNCTION long heap_variable(long input) { return heap_of(MIDDLE(input), LOW(input)); }

// The last array of a structure may go on behind it, so it has no check of its own; clang compares
// the offset in the whole structure instead, and folds what it adds to the index.
struct tail {
  short before[2];
  int seven[7];
  int ten[10];
};
SHAPE_DATA struct tail tail = {{0, 0}, {1, 2, 3, 4, 5, 6, 7}, {[9] = 8}};

SHAPE_FUNCTION long trailing_and_sum(long input) {
  const unsigned char i = (unsigned char)input;
#ifdef SHAPES_CLAMPED
  return tail.ten[9];
#endif
  return tail.ten[i + 3];  // at trailing_and_sum
}

static const struct shape local[] = {
    {"local-bounds", "heap_bytes", heap_bytes, 41, 41, 0, 39},
    {"local-bounds", "heap_ints", heap_ints, 30, 30, 0, 24},
    {"local-bounds", "heap_variable", heap_variable, 0x0c10, 16, 0, 11},
    {"local-bounds", "trailing_and_sum", trailing_and_sum, 9, 12, 0, 9},
};

extern const struct shape_list local_list;
const struct shape_list local_list = {local, sizeof local / sizeof *local};
