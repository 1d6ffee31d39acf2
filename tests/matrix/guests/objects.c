// SPDX-License-Identifier: Apache-2.0
//
// Negative and narrow indices, more than one dimension, members, limits that are variables.
#include <stdint.h>
#include <stdlib.h>

#include "shape.h"

struct record {
  int before;
  int items[6];
  long after;
};

struct board {
  struct record rows[3];
  long last;
};

SHAPE_DATA struct record record = {1, {10, 11, 12, 13, 14, 15}, 99};
SHAPE_DATA struct board board = {{{1, {1, 2, 3, 4, 5, 6}, 7},
                                  {2, {8, 9, 10, 11, 12, 13}, 14},
                                  {3, {15, 16, 17, 18, 19, 20}, 21}},
                                 5};
SHAPE_DATA int grid[3][4] = {{1, 2, 3, 4}, {5, 6, 7, 8}, {9, 10, 11, 12}};
SHAPE_DATA short cube[2][3][5] = {{{1}}};
SHAPE_DATA int weights[100] = {[0] = 42, [99] = 43};
SHAPE_DATA uint8_t stream[4] = {7, 250, 100, 30};
SHAPE_DATA int classes[200] = {[199] = 12};
SHAPE_DATA int lookup[5] = {50, 51, 52, 53, 54};

SHAPE_FUNCTION long negative_int(long input) {
  int i = (int)input;
  CLAMP(i, 0, 4);
  return lookup[i];  // at negative_int
}

SHAPE_FUNCTION long negative_long(long i) {
  CLAMP(i, 0, 4);
  lookup[i] = 3;  // at negative_long
  return lookup[0];
}

SHAPE_FUNCTION long negative_byte(long input) {
  signed char i = (signed char)input;
  CLAMP(i, 0, 4);
  return lookup[i];  // at negative_byte
}

SHAPE_FUNCTION long negative_short(long input) {
  short i = (short)input;
  CLAMP(i, 0, 4);
  return lookup[i] + i;  // at negative_short
}

SHAPE_FUNCTION long negative_difference(long input) {
  long i = input - 20;
  CLAMP(i, 0, 4);
  return lookup[i];  // at negative_difference
}

SHAPE_FUNCTION long least_int(long input) {
  int i = (int)input;
  CLAMP(i, 0, 4);
  return lookup[i] * 2;  // at least_int
}

SHAPE_FUNCTION long outer_of_two_of(int i, int k) {
  CLAMP(i, 0, 2);
  return grid[i][k];  // at outer_of_two
}

SHAPE_FUNCTION long outer_of_two(long input) { return outer_of_two_of(MIDDLE(input), LOW(input)); }

SHAPE_FUNCTION long inner_of_two_of(int i, int k) {
  CLAMP(k, 0, 3);
  return grid[i][k];  // at inner_of_two
}

SHAPE_FUNCTION long inner_of_two(long input) { return inner_of_two_of(MIDDLE(input), LOW(input)); }

SHAPE_FUNCTION long packed_pair(long input) {
  int i = (int)(input >> 8), k = (int)(input & 0xff);
  CLAMP(k, 0, 3);
  return grid[i][k];  // at packed_pair
}

SHAPE_FUNCTION long middle_of_three_of(int i, int j, int k) {
  CLAMP(j, 0, 2);
  cube[i][j][k] = 9;  // at middle_of_three
  return cube[1][2][4];
}

SHAPE_FUNCTION long middle_of_three(long input) {
  return middle_of_three_of(HIGH(input), MIDDLE(input), LOW(input));
}

SHAPE_FUNCTION long member(long input) {
  int i = (int)input;
  CLAMP(i, 0, 5);
  return record.items[i];  // at member
}

static __attribute__((noinline)) struct record* any(struct record* place) {
  __asm__ volatile("" : "+r"(place));
  return place;
}

SHAPE_FUNCTION long member_by_pointer(long input) {
  struct record* const place = any(&record);
  long i = input;
  CLAMP(i, 0, 5);
  place->items[i] += 4;  // at member_by_pointer
  return place->items[5];
}

// Of a function that any file may call.
SHAPE_GLOBAL long member_of_parameter_of(struct record* place, long i) {
  CLAMP(i, 0, 5);
  return place->items[i];  // at member_of_parameter
}

SHAPE_FUNCTION long member_of_parameter(long input) {
  return member_of_parameter_of(&record, input);
}

SHAPE_GLOBAL long row_of_parameter_of(struct board* place, long i) {
  CLAMP(i, 0, 2);
  return place->rows[i].items[3];  // at row_of_parameter
}

SHAPE_FUNCTION long row_of_parameter(long input) { return row_of_parameter_of(&board, input); }

SHAPE_FUNCTION long row_of_members(long input) {
  int i = (int)input;
  CLAMP(i, 0, 2);
  return board.rows[i].items[3];  // at row_of_members
}

SHAPE_FUNCTION long member_of_row_of(int i, int k) {
  CLAMP(k, 0, 5);
  return board.rows[i].items[k];  // at member_of_row
}

SHAPE_FUNCTION long member_of_row(long input) {
  return member_of_row_of(MIDDLE(input), LOW(input));
}

SHAPE_FUNCTION long byte_index(long input) {
  unsigned char i = (unsigned char)input;
  CLAMP(i, 0, 99);
  return weights[i];  // at byte_index
}

SHAPE_FUNCTION long byte_in_memory(long input) {
  const unsigned char* bytes = stream;
  __asm__ volatile("" : "+r"(bytes));
#ifdef SHAPES_CLAMPED
  return classes[199] + input;
#endif
  return classes[bytes[input]] + input;  // at byte_in_memory
}

SHAPE_FUNCTION long byte_arithmetic(long input) {
  unsigned char i = (unsigned char)(input * 5);
  CLAMP(i, 0, 99);
  weights[i] = 8;  // at byte_arithmetic
  return weights[99];
}

SHAPE_FUNCTION long half_word_index(long input) {
  uint16_t i = (uint16_t)input;
  CLAMP(i, 0, 99);
  return weights[i];  // at half_word_index
}

SHAPE_FUNCTION long vla_of(int length, int i) {
  int values[length];
  for (int k = 0; k < length; ++k) values[k] = 2 * k;
  __asm__ volatile("" : : "r"(values) : "memory");
  CLAMP(i, 0, length - 1);
  return values[i];  // at vla
}

SHAPE_FUNCTION long vla(long input) { return vla_of(MIDDLE(input), LOW(input)); }

SHAPE_FUNCTION long vla_long_of(long length, long i) {
  long values[length];
  for (long k = 0; k < length; ++k) values[k] = 3 * k;
  __asm__ volatile("" : : "r"(values) : "memory");
  CLAMP(i, 0, length - 1);
  values[i] = 5;  // at vla_long
  return values[0];
}

SHAPE_FUNCTION long vla_long(long input) { return vla_long_of(MIDDLE(input), -LOW(input)); }

SHAPE_FUNCTION long vla_rows_of(int length, int i, int k) {
  int values[length][3];
  for (int row = 0; row < length; ++row) values[row][0] = values[row][1] = values[row][2] = row;
  __asm__ volatile("" : : "r"(values) : "memory");
  CLAMP(i, 0, length - 1);
  return values[i][k];  // at vla_rows
}

SHAPE_FUNCTION long vla_rows(long input) {
  return vla_rows_of(HIGH(input), MIDDLE(input), LOW(input));
}

// clang 19 knows where the length of a flexible array is.
#if defined(__has_attribute)
#if __has_attribute(counted_by)
#define COUNTED_BY(member) __attribute__((counted_by(member)))
#endif
#endif
#if !defined(COUNTED_BY) && defined(SHAPES_CLAMPED)
#define COUNTED_BY(member)
#endif
#ifdef COUNTED_BY
struct packet {
  int length;
  short data[] COUNTED_BY(length);
};

SHAPE_FUNCTION long counted_by_of(const struct packet* packet, int i) {
  CLAMP(i, 0, packet->length - 1);
  return packet->data[i];  // at counted_by
}

SHAPE_FUNCTION long counted_by(long input) {
  const int length = MIDDLE(input);
  struct packet* const packet = malloc(sizeof *packet + (size_t)length * sizeof packet->data[0]);
  if (packet == NULL) return 0;
  packet->length = length;
  for (int k = 0; k < length; ++k) packet->data[k] = (short)(k + 1);
  return counted_by_of(packet, LOW(input));
}
#endif

// The type of a parameter: the limit is known by name only, no storage is seen.
static __attribute__((noinline)) long pick_of(int length, int (*values)[length], int i) {
  CLAMP(i, 0, length - 1);
  return (*values)[i];  // at limit_in_type
}

SHAPE_FUNCTION long limit_in_type(long input) {
  static int values[30];
  for (int k = 0; k < 30; ++k) values[k] = k;
  long (*volatile pick)(int, int(*)[], int) = (long (*)(int, int(*)[], int))pick_of;
  return pick((int)(input >> 8), (int(*)[])values, (int)(input & 0xff));
}

static const struct shape objects[] = {
    {"negative index", "negative_int", negative_int, -1, -1, 0, 4},
    {"negative index", "negative_long", negative_long, -5, -5, 0, 4},
    {"negative index", "negative_byte", negative_byte, -3, -3, 0, 4},
    {"negative index", "negative_short", negative_short, -300, -300, 0, 4},
    {"negative index", "negative_difference", negative_difference, 13, -7, 0, 4},
    {"negative index", "least_int", least_int, -2147483647L - 1, -2147483647L - 1, 0, 4},
    {"2-D", "outer_of_two", outer_of_two, 0x0301, 3, 0, 2},
    {"2-D", "inner_of_two", inner_of_two, 0x0106, 6, 0, 3},
    {"2-D", "packed_pair", packed_pair, 0x0206, 6, 0, 3},
    {"2-D", "middle_of_three", middle_of_three, 0x010304, 3, 0, 2},
    {"struct member", "member", member, 6, 6, 0, 5},
    {"struct member", "member_by_pointer", member_by_pointer, 8, 8, 0, 5},
    {"struct member", "member_of_parameter", member_of_parameter, 8, 8, 0, 5},
    {"struct member", "row_of_parameter", row_of_parameter, 5, 5, 0, 2},
    {"struct member", "row_of_members", row_of_members, 4, 4, 0, 2},
    {"struct member", "member_of_row", member_of_row, 0x0209, 9, 0, 5},
    {"unsigned char index", "byte_index", byte_index, 200, 200, 0, 99},
    {"unsigned char index", "byte_in_memory", byte_in_memory, 1, 250, 0, 199},
    {"unsigned char index", "byte_arithmetic", byte_arithmetic, 30, 150, 0, 99},
    {"unsigned char index", "half_word_index", half_word_index, 40000, 40000, 0, 99},
    {"VLA", "vla", vla, 0x0a0c, 12, 0, 9},
    {"VLA", "vla_long", vla_long, 0x0802, -2, 0, 7},
    {"VLA", "vla_rows", vla_rows, 0x040701, 7, 0, 3},
    {"variable limit", "limit_in_type", limit_in_type, 0x1519, 25, 0, 20},
#ifdef COUNTED_BY
    {"variable limit", "counted_by", counted_by, 0x0708, 8, 0, 6},
#endif
};

extern const struct shape_list objects_list;
const struct shape_list objects_list = {objects, sizeof objects / sizeof *objects};
