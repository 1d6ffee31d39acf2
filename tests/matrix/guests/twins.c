// SPDX-License-Identifier: Apache-2.0
//
// Shapes' twins: functions whose checks have another index than the shape's, or are no bounds
// checks, for which a compiler makes the very same instructions. Where it does, code cannot tell
// which of both it is, and the cell counts as one without a compare to read the index from.
// twins.py compares the code.
#include <stdlib.h>

#include "shape.h"

SHAPE_DATA int twin_single[1] = {77};
SHAPE_DATA int twin_data[40];
SHAPE_DATA int twin_tenner[10];
SHAPE_DATA int twin_seven[7];
SHAPE_DATA union {
  int words[10];
  short halves[20];
  int first;
} twin_widths;

#ifdef __clang__
// 2 * k is 0 where k is: the index is not what is compared.
SHAPE_FUNCTION long twin_limit_of_one(long input) {
  const int k = (int)input;
  return twin_single[2 * k];
}
#else
// 1 for everything but 0.
SHAPE_FUNCTION long twin_limit_of_one(long input) {
  const int i = (int)input;
  return twin_single[i != 0];
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

// The same beside what has nothing to do with it.
SHAPE_DATA long twin_longs[30];
SHAPE_DATA unsigned char twin_octets[10];
SHAPE_DATA volatile int twin_turns;

SHAPE_FUNCTION long twin_unread_in_step(long input) {
  const int* place = twin_data;
  long sum = input;
  for (int k = 0; k < twin_turns; ++k) {
    int i = k + 3;
    if ((unsigned long)(long)i > 9) __builtin_trap();
    sum = sum * 3 + *place++;
  }
  return sum;
}

SHAPE_FUNCTION long twin_unread_other_size(long input) {
  const long* place = twin_longs;
  long sum = input;
  for (int k = 0; k < twin_turns; ++k) {
    int i = 2 * k;
    if ((unsigned long)(long)i > 9) __builtin_trap();
    sum = sum * 3 + *place++;
  }
  return sum;
}

SHAPE_FUNCTION long twin_unread_neighbour(long input) {
  const unsigned char i = (unsigned char)input;
  const int* const place = twin_data;
  if ((unsigned long)(i + 3) > 9) __builtin_trap();
  return place[i];
}

// Of two neighbours, the second one is checked, and both are accessed: 2 * k + 1 is below an even
// limit where 2 * k is.
SHAPE_DATA short twin_halves[20];

SHAPE_FUNCTION long twin_written_in_pairs(long input) {
  const unsigned char i = (unsigned char)input;
  (void)twin_halves[2 * i + 1];
  twin_halves[2 * i] = 1;
  twin_halves[2 * i + 1] = 1;
  return twin_halves[0];
}

// Of an unread array twice as long as the one that is read by half of the index.
SHAPE_FUNCTION long twin_halved(long input) {
  const unsigned i = (unsigned)input;
  const int* const place = twin_tenner;
  const int* const other = twin_seven;
  const unsigned half = i / 2;
  (void)twin_halves[i];
  const int read = place[half];
  return read + other[i / 8];
}

SHAPE_FUNCTION long twin_union_in_pairs(long input) {
  const unsigned char i = (unsigned char)input;
  (void)twin_widths.halves[2 * i + 1];
  twin_widths.halves[2 * i] = 1;
  twin_widths.halves[2 * i + 1] = 1;
  return twin_widths.halves[0];
}

SHAPE_FUNCTION long twin_read_in_pairs(long input) {
  const unsigned char i = (unsigned char)input;
  (void)twin_octets[2 * i + 1];
  const long low = twin_octets[2 * i];
  return low | twin_octets[2 * i + 1] << 8;
}

// What follows: the index is a multiple of what is compared, or that plus one. A compiler does that
// where it knows that the number is not negative: from what all callers give, or because the
// program says so, as here.
#define IS_NOT_NEGATIVE(i) \
  if ((i) < 0) __builtin_unreachable()
#define IS_SMALL(i) \
  if ((unsigned long)(i) > 999) __builtin_unreachable()
// As a size, from an unsigned number of 32 bits: no product of it overflows in 64-bit code.
#define SIZE(i) (unsigned long)(unsigned)(i)
#if __SIZEOF_LONG__ == 8
typedef unsigned twin_index;
typedef int half;
#define HAS_RANGE(i) (void)0
#else
typedef int twin_index;
typedef short half;
#define HAS_RANGE(i) IS_NOT_NEGATIVE(i)
#endif

struct twin_record {
  int items[7];  // beginning where the shape's record has its kind
  long last;
};
struct twin_wide {
  long first, second, third;
};
struct twin_half_wide {
  char bytes[sizeof(struct twin_wide) / 2];
};
struct twin_half {
  char bytes[sizeof(struct twin_record) / 2];
};
SHAPE_DATA union {
  struct twin_wide wides[5];
  struct twin_half_wide halves[10];
} twin_wides;
SHAPE_DATA short twin_shorts[22];
SHAPE_DATA struct twin_record twin_record;
SHAPE_DATA struct {
  union {
    struct twin_record rows[3];
    struct twin_half halves[6];
  };
  long last;
} twin_board;
SHAPE_DATA int twin_grid[12];
SHAPE_DATA short twin_cube[2][15];

// Parameters that are unsigned ints to begin with.
SHAPE_FUNCTION long twin_address(twin_index i) {
  HAS_RANGE(i);
  (void)twin_shorts[2 * SIZE(i)];
  const int* place = (const int*)twin_shorts + i;
  __asm__ volatile("" : "+r"(place));
  return (long)(place - (const int*)twin_shorts);
}

SHAPE_FUNCTION long twin_structures(twin_index i) {
  HAS_RANGE(i);
  (void)twin_wides.halves[2 * SIZE(i)].bytes[0];
  return twin_wides.wides[i].second;
}

SHAPE_FUNCTION long twin_row_of_members(twin_index i) {
  HAS_RANGE(i);
  (void)twin_board.halves[2 * SIZE(i)].bytes[0];
  return twin_board.rows[i].items[4];
}

static __attribute__((noinline)) struct twin_record* any_twin(struct twin_record* place) {
  __asm__ volatile("" : "+r"(place));
  return place;
}

SHAPE_FUNCTION long twin_member_by_pointer(long input) {
  struct twin_record* const place = any_twin(&twin_record);
  const long i = input;
  IS_NOT_NEGATIVE(i);
  place->items[i + 1] += 4;
  return place->items[6];
}

SHAPE_FUNCTION long twin_member_of_row_of(int i, int k) {
  IS_NOT_NEGATIVE(k);
  return twin_board.rows[i].items[k + 1];
}

SHAPE_FUNCTION long twin_member_of_row(long input) {
  return twin_member_of_row_of(MIDDLE(input), LOW(input));
}

SHAPE_FUNCTION long twin_outer_of_two_of(int i, int k) {
  IS_NOT_NEGATIVE(i);
  (void)twin_grid[4 * SIZE(i)];
  return ((const int(*)[4])twin_grid)[i][k];
}

SHAPE_FUNCTION long twin_outer_of_two(long input) {
  return twin_outer_of_two_of(MIDDLE(input), LOW(input));
}

SHAPE_FUNCTION long twin_middle_of_three_of(int i, int j, int k) {
  IS_NOT_NEGATIVE(j);
  (void)twin_cube[i][5 * SIZE(j)];
  ((short(*)[3][5])twin_cube)[i][j][k] = 9;
  return twin_cube[1][14];
}

SHAPE_FUNCTION long twin_middle_of_three(long input) {
  return twin_middle_of_three_of(HIGH(input), MIDDLE(input), LOW(input));
}

// Two halves of each row: the first one is what is checked.
SHAPE_FUNCTION long twin_vla_rows_of(int length, int i, int k) {
  struct half_row {
    short numbers[3];
  };
  int values[length][3];
  for (int row = 0; row < length; ++row) values[row][0] = values[row][1] = values[row][2] = row;
  __asm__ volatile("" : : "r"(values) : "memory");
  IS_SMALL(length);
  IS_SMALL(i);
  struct half_row(*const all)[2 * SIZE(length)] = (void*)values;
  int(*const rows)[3] = values;
  (void)(*all)[2 * SIZE(i)].numbers[0];
  return rows[i][k];
}

SHAPE_FUNCTION long twin_vla_rows(long input) {
  return twin_vla_rows_of(HIGH(input), MIDDLE(input), LOW(input));
}

// Beginning one number before those of the packet, which are as many as it says and one more.
struct twin_packet {
  int length;
  short data[];
};

SHAPE_FUNCTION long twin_counted_by_of(const struct twin_packet* packet, int i) {
  const short(*const all)[SIZE(packet->length) + 1] =
      (const void*)((const char*)packet->data - sizeof(short));
  return (*all)[SIZE(i) + 1];
}

SHAPE_FUNCTION long twin_counted_by(long input) {
  struct twin_packet* const packet = malloc(sizeof *packet + 8 * sizeof(short));
  if (packet == NULL) return 0;
  packet->length = 7;
  return twin_counted_by_of(packet, LOW(input));
}

// Two of them in each long. That i is 0 is known behind the check, as it is in the shape, where no
// caller gives more.
SHAPE_FUNCTION long twin_vla_long_of(long length, long i) {
  long values[length];
  for (long k = 0; k < length; ++k) values[k] = 3 * k;
  __asm__ volatile("" : : "r"(values) : "memory");
  IS_SMALL(length);
  IS_SMALL(i);
  half(*const halves)[2 * length] = (void*)values;
  (void)(*halves)[2 * i];
  if (i != 0) __builtin_unreachable();
  *values = 5;
  long five = 5;
  __asm__("" : "+r"(five));
  return five;
}

SHAPE_FUNCTION long twin_vla_long(long input) {
  return twin_vla_long_of(MIDDLE(input), -LOW(input));
}

// What moves in step with the counter begins behind the first elements of what is checked.
#define AHEAD (sizeof(long) / sizeof(int))
struct twin_window {
  int list[7 + AHEAD];
  long last;
};
SHAPE_DATA struct twin_window twin_window;

SHAPE_FUNCTION long twin_members_in_step_of(const struct twin_window* from) {
  long sum = 0;
  for (int k = 0; k < twin_turns; ++k) {
    int i = k;
    sum = sum * 3 + from->list[i + (int)AHEAD];
  }
  return sum;
}

SHAPE_FUNCTION long twin_members_in_step(long input) {
  return twin_members_in_step_of(&twin_window + input);
}

long (*const twins[])(long) = {
    twin_unread_in_step,  twin_unread_other_size, twin_unread_neighbour, twin_members_in_step,
    twin_limit_of_one,    twin_over_the_end,      twin_copied_between,   twin_written_in_pairs,
    twin_read_in_pairs,   twin_member_by_pointer, twin_member_of_row,    twin_outer_of_two,
    twin_middle_of_three, twin_vla_rows,          twin_vla_long,         twin_halved,
    twin_counted_by,      twin_union_in_pairs};
long (*const unsigned_twins[])(twin_index) = {twin_address, twin_structures, twin_row_of_members};
