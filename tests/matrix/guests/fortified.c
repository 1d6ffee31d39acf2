// SPDX-License-Identifier: Apache-2.0
//
// Calls of the C library that _FORTIFY_SOURCE checks: the index is the size that was asked for, the
// limit what is there.
#include <stdio.h>
#include <string.h>

#include "shape.h"

SHAPE_DATA char body[24];
SHAPE_DATA char source[64] = "forty-two characters and a few more, all printable";
SHAPE_DATA char line[16];

SHAPE_FUNCTION long copy(long input) {
  CLAMP(input, 0, 24);
  memcpy(body, source, (size_t)input);  // at copy
  return body[0];
}

SHAPE_FUNCTION long move(long input) {
  CLAMP(input, 0, 16);
  memmove(line, source + 2, (size_t)input);  // at move
  return line[0];
}

SHAPE_FUNCTION long fill(long input) {
  CLAMP(input, 0, 16);
  memset(line, 'x', (size_t)input);  // at fill
  return line[1];
}

SHAPE_FUNCTION long on_the_stack(long input) {
  char local[32];
  CLAMP(input, 0, 32);
  memcpy(local, source, (size_t)input);  // at fortified_local
  __asm__ volatile("" : : "r"(local) : "memory");
  return local[0];
}

static const struct shape fortified[] = {
    {"FORTIFY", "copy", copy, 30, 29, 0, 23},
    {"FORTIFY", "move", move, 17, 16, 0, 15},
    {"FORTIFY", "fill", fill, 40, 39, 0, 15},
    {"FORTIFY", "fortified_local", on_the_stack, 50, 49, 0, 31},
};

extern const struct shape_list fortified_list;
const struct shape_list fortified_list = {fortified, sizeof fortified / sizeof *fortified};
