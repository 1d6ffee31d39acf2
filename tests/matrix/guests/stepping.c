// SPDX-License-Identifier: Apache-2.0
//
// Loops that go over arrays: compilers keep an address beside the counter, and what is added to the
// counter before it is an index is in that address. How long they run is not known to the compiler.
#include <stdint.h>

#include "shape.h"

struct window {
  long before;
  int list[7];
  int next[10];
  long after;
};

SHAPE_DATA int strip[10] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 35};
SHAPE_DATA int longer[20] = {2, 7, 1, 8, 2, 8, 1, 8, 2, 8, 4, 5, 9, 0, 4, 5, 2, 3, 5, 36};
SHAPE_DATA int week[7] = {1, 2, 3, 4, 5, 6, 7};
SHAPE_DATA long wide[30] = {9, 8, 7, 6, 5, 4, 3, 2, 1};
SHAPE_DATA short sheet[4][6] = {
    {1, 2, 3, 4, 5, 6}, {7, 8, 9, 1, 2, 3}, {4, 5, 6, 7, 8, 9}, {1, 2, 3, 4, 5, 6}};
SHAPE_DATA struct window window = {1, {1, 2, 3, 4, 5, 6, 7}, {5, 4, 3, 2, 1, 5, 4, 3, 2, 1}, 7};
SHAPE_DATA volatile int turns = 12;
SHAPE_DATA volatile int zero;

SHAPE_FUNCTION long sum_of_counter(long input) {
  long sum = input;
  for (int k = 0; k < turns; ++k) {
    int i = k + 3;
    CLAMP(i, 0, 9);
    sum = sum * 3 + strip[i];  // at sum_of_counter
  }
  return sum;
}

SHAPE_FUNCTION long difference_of_counter(long input) {
  long sum = 0;
  for (long k = input; k < turns + 8; ++k) {
    long i = k - 2;
    CLAMP(i, 0, 9);
    sum = sum * 3 + strip[i];  // at difference_of_counter
  }
  return sum;
}

SHAPE_FUNCTION long by_two(long input) {
  long sum = input;
  for (int k = 0; k < turns; k += 2) {
    int i = k;
    CLAMP(i, 0, 9);
    sum = sum * 3 + strip[i];  // at by_two
  }
  return sum;
}

SHAPE_FUNCTION long twice_the_counter(long input) {
  long sum = input;
  for (int k = 0; k < turns; ++k) {
    int i = 2 * k;
    CLAMP(i, 0, 9);
    sum = sum * 3 + strip[i];  // at twice_the_counter
  }
  return sum;
}

SHAPE_FUNCTION long from_the_middle(long input) {
  long sum = 0;
  int turn = 0;
  for (int k = (int)input; turn < turns; ++k, ++turn) {
    int i = k;
    CLAMP(i, 0, 9);
    sum = sum * 3 + strip[i];  // at from_the_middle
  }
  return sum;
}

// The second of two numbers that count is the index.
SHAPE_FUNCTION long second_counter(long input) {
  long sum = 0;
  int turn = 0;
  for (long k = input; turn < turns; k += 3, turn += 2) {
    long i = k - turn;
    CLAMP(i, 0, 6);
    sum = sum * 3 + week[i];  // at second_counter
  }
  return sum;
}

SHAPE_FUNCTION long byte_counter(long input) {
  long sum = 0;
  int turn = 0;
  for (unsigned char k = (unsigned char)input; turn < turns; ++k, ++turn) {
    int i = k + 1;
    CLAMP(i, 0, 9);
    sum = sum * 3 + strip[i];  // at byte_counter
  }
  return sum;
}

// Counts down, and a pointer that has nothing to do with it counts up.
SHAPE_FUNCTION long down_and_up(long input) {
  const long* place = wide;
  long sum = 0;
  int turn = 0;
  for (int k = (int)input; turn < turns; --k, ++turn) {
    int i = k;
    CLAMP(i, 0, 9);
    sum = sum * 3 + strip[i] + *place++;  // at down_and_up
  }
  return sum;
}

// What is checked is not read; what is read has no check.
SHAPE_FUNCTION long unread_in_step(long input) {
  const int* place = longer;
  long sum = input;
  for (int k = 0; k < turns; ++k) {
    int i = k + 3;
    CLAMP(i, 0, 9);
    (void)strip[i];  // at unread_in_step
    sum = sum * 3 + *place++;
  }
  return sum;
}

SHAPE_FUNCTION long unread_other_size(long input) {
  const long* place = wide;
  long sum = input;
  for (int k = 0; k < turns; ++k) {
    int i = 2 * k;
    CLAMP(i, 0, 9);
    (void)strip[i];  // at unread_other_size
    sum = sum * 3 + *place++;
  }
  return sum;
}

// One check for both, that of the first: the second array is as long as the limit that it has.
SHAPE_FUNCTION long sum_and_counter(long input) {
  long sum = input;
  for (int k = 0; k < turns; ++k) {
    int i = k + 3;
    CLAMP(i, 0, 9);
    const long first = strip[i];  // at sum_and_counter
    int j = k;
    CLAMP(j, 0, 6);
    sum = sum * 3 + first + week[j];
  }
  return sum;
}

SHAPE_FUNCTION long two_lengths(long input) {
  long sum = input;
  for (int k = 0; k < turns; ++k) {
    int i = k + 12;
    CLAMP(i, 0, 19);
    const int first = longer[i];  // at two_lengths
    int j = k;
    CLAMP(j, 0, 9);
    sum += first;
    strip[j] = (int)sum;
  }
  return sum;
}

// The address of the first is given to somebody else, who reads it.
static __attribute__((noinline)) long read_there(const int* place) {
  __asm__ volatile("" : "+r"(place) : : "memory");
  return place != (const int*)0;
}
SHAPE_FUNCTION long address_in_step(long input) {
  long sum = input;
  for (int k = 0; k < turns; ++k) {
    int i = k + 4;
    CLAMP(i, 0, 10);
    const long first = read_there(&strip[i]);  // at address_in_step
    int j = k;
    CLAMP(j, 0, 6);
    sum = sum * 3 + first + week[j];
  }
  return sum;
}

// Members, at an address that is given; and the next member, whose offset is like a sum.
SHAPE_FUNCTION long members_in_step_of(const struct window* from) {
  long sum = 0;
  for (int k = 0; k < turns; ++k) {
    int i = k;
    CLAMP(i, 0, 6);
    sum = sum * 3 + from->list[i];  // at members_in_step
  }
  return sum;
}
SHAPE_FUNCTION long members_in_step(long input) { return members_in_step_of(&window + input); }

SHAPE_FUNCTION long next_member_of(const struct window* from) {
  long sum = 0;
  for (int k = 0; k < turns; ++k) {
    int i = k + 3;
    CLAMP(i, 0, 9);
    sum = sum * 3 + from->next[i];  // at sum_in_member
  }
  return sum;
}
SHAPE_FUNCTION long sum_in_member(long input) { return next_member_of(&window + input); }

// Rows: by the inner counter, and by the outer one.
SHAPE_FUNCTION long along_the_row(long input) {
  long sum = 0;
  for (int i = 0; i <= (int)input; ++i) {
    for (int k = 0; k < turns - 5; ++k) {
      int column = k;
      CLAMP(column, 0, 5);
      sum = sum * 3 + sheet[i & 3][column];  // at along_the_row
    }
  }
  return sum;
}

SHAPE_FUNCTION long down_the_column(long input) {
  long sum = 0;
  for (int k = 0; k < turns - 5; ++k) {
    int row = k;
    CLAMP(row, 0, 3);
    sum = sum * 3 + sheet[row][input & 3];  // at down_the_column
  }
  return sum;
}

// The counter begins again, the pointer goes on.
SHAPE_FUNCTION long begins_again(long input) {
  const int* place = longer;
  long sum = input;
  int k = 0;
  for (int turn = 0; turn < turns; ++turn) {
    int i = k + turn;
    CLAMP(i, 0, 6);
    sum = sum * 3 + week[i] + *place++;  // at begins_again
    k = zero != 0 ? 0 : k + 1;
  }
  return sum;
}

// The counter is left as it is in some turns, the pointer is not.
SHAPE_FUNCTION long now_and_then(long input) {
  const int* place = longer;
  long sum = input;
  int k = 0;
  for (int turn = 0; turn < turns; ++turn) {
    int i = k + 1;
    CLAMP(i, 0, 6);
    sum = sum * 3 + week[i] + *place++;  // at now_and_then
    if (zero == 0) ++k;
  }
  return sum;
}

// A counter of all turns is an index with a constant, and a part of another index.
SHAPE_FUNCTION long part_and_whole(long input) {
  long sum = input;
  int k = 0;
  for (int turn = 0; turn < turns; ++turn) {
    int i = turn + 3;
    CLAMP(i, 0, 9);
    const long first = strip[i];  // at part_and_whole
    int j = k + turn;
    CLAMP(j, 0, 6);
    sum = sum * 3 + first + week[j];
    k = zero != 0 ? k + 1 : 0;
  }
  return sum;
}

// The access is one turn behind the check.
SHAPE_FUNCTION long one_behind(long input) {
  long sum = input;
  int last = 0;
  for (int k = 1; k < turns; ++k) {
    sum = sum * 3 + strip[last];  // at one_behind
    int i = k;
    CLAMP(i, 0, 9);
    last = i;
  }
  return sum;
}

static const struct shape stepping[] = {
    {"address in step", "sum_of_counter", sum_of_counter, 5, 10, 0, 9},
    {"address in step", "difference_of_counter", difference_of_counter, 6, 10, 0, 9},
    {"address in step", "by_two", by_two, 5, 10, 0, 9},
    {"address in step", "twice_the_counter", twice_the_counter, 5, 10, 0, 9},
    {"address in step", "from_the_middle", from_the_middle, 4, 10, 0, 9},
    {"address in step", "second_counter", second_counter, 2, 7, 0, 6},
    {"address in step", "byte_counter", byte_counter, 4, 10, 0, 9},
    {"address in step", "down_and_up", down_and_up, 5, -1, 0, 9},
    {"address in step", "unread_in_step", unread_in_step, 5, 10, 0, 9},
    {"address in step", "unread_other_size", unread_other_size, 5, 10, 0, 9},
    {"address in step", "sum_and_counter", sum_and_counter, 5, 10, 0, 9},
    {"address in step", "two_lengths", two_lengths, 5, 20, 0, 19},
    {"address in step", "address_in_step", address_in_step, 5, 11, 0, 10},
    {"address in step", "members_in_step", members_in_step, 0, 7, 0, 6},
    {"address in step", "sum_in_member", sum_in_member, 0, 10, 0, 9},
    {"address in step", "along_the_row", along_the_row, 2, 6, 0, 5},
    {"address in step", "down_the_column", down_the_column, 2, 4, 0, 3},
    {"address in step", "begins_again", begins_again, 5, 8, 0, 6},
    {"address in step", "now_and_then", now_and_then, 5, 7, 0, 6},
    {"address in step", "part_and_whole", part_and_whole, 5, 10, 0, 9},
    {"address in step", "one_behind", one_behind, 5, 10, 0, 9},
};
extern const struct shape_list stepping_list;
const struct shape_list stepping_list = {stepping, sizeof stepping / sizeof *stepping};
