// SPDX-License-Identifier: Apache-2.0
//
// Arrays with bounds that the compiler knows. -fsanitize=bounds puts a check before each access.
#include <stdint.h>

#include "shape.h"

struct wide {
  long first, second, third;
};

SHAPE_DATA int table[10] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 35};
SHAPE_DATA char letters[26] = "abcdefghijklmnopqrstuvwxyz";
SHAPE_DATA double numbers[7] = {1, 2, 4, 8, 16, 32, 64};
SHAPE_DATA struct wide wides[5] = {{1, 2, 3}, {4, 5, 6}, {7, 8, 9}, {10, 11, 12}, {13, 14, 15}};
SHAPE_DATA int sixteen[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
SHAPE_DATA int single[1] = {77};
SHAPE_DATA short many[100000];
SHAPE_DATA int hundred28[128];
SHAPE_DATA int other[20] = {2, 7, 1, 8, 2, 8, 1, 8, 2, 8, 4, 5, 9, 0, 4, 5, 2, 3, 5, 36};
SHAPE_DATA int position;
SHAPE_DATA int positions[4] = {0, 0, 15, 0};
SHAPE_DATA volatile long sink;

SHAPE_FUNCTION long read_int(long input) {
  int i = (int)input;
  CLAMP(i, 0, 9);
  return table[i];  // at read_int
}

SHAPE_FUNCTION long write_int(long input) {
  int i = (int)input;
  CLAMP(i, 0, 9);
  table[i] = 17;  // at write_int
  return table[9];
}

SHAPE_FUNCTION long used_later(long input) {
  int i = (int)input;
  CLAMP(i, 0, 9);
  const int value = table[i];  // at used_later
  return value * 1000L + i;
}

SHAPE_FUNCTION long long_index(long i) {
  CLAMP(i, 0, 9);
  return table[i] + 2 * i;  // at long_index
}

SHAPE_FUNCTION long unsigned_index(long input) {
  unsigned i = (unsigned)input;
  CLAMP(i, 0u, 9u);
  return table[i];  // at unsigned_index
}

SHAPE_FUNCTION long bytes(long input) {
  int i = (int)input;
  CLAMP(i, 0, 25);
  return letters[i];  // at bytes
}

SHAPE_FUNCTION long doubles(long input) {
  int i = (int)input;
  CLAMP(i, 0, 6);
  return (long)numbers[i];  // at doubles
}

SHAPE_FUNCTION long structures(long input) {
  int i = (int)input;
  CLAMP(i, 0, 4);
  return wides[i].second;  // at structures
}

SHAPE_FUNCTION long power_of_two(long input) {
  int i = (int)input;
  CLAMP(i, 0, 15);
  return sixteen[i];  // at power_of_two
}

SHAPE_FUNCTION long limit_of_one(long input) {
  int i = (int)input;
  CLAMP(i, 0, 0);
  return single[i];  // at limit_of_one
}

SHAPE_FUNCTION long large_limit(long input) {
  int i = (int)input;
  CLAMP(i, 0, 99999);
  return many[i] + 1;  // at large_limit
}

SHAPE_FUNCTION long limit_128(long input) {
  long i = input;
  CLAMP(i, 0, 127);
  hundred28[i] = 5;  // at limit_128
  return hundred28[127];
}

SHAPE_FUNCTION long on_the_stack(long input) {
  int local[12];
  for (int k = 0; k < 12; ++k) local[k] = (int)sink + 3 * k;
  int i = (int)input;
  CLAMP(i, 0, 11);
  return local[i];  // at on_the_stack
}

SHAPE_FUNCTION long sum_as_index(long input) {
  int i = (int)input + 3;
  CLAMP(i, 0, 9);
  return table[i];  // at sum_as_index
}

SHAPE_FUNCTION long sum_in_brackets(long input) {
  int k = (int)input;
#ifdef SHAPES_CLAMPED
  return table[9] + 100L * k;
#endif
  return table[k + 3] + 100L * k;  // at sum_in_brackets
}

SHAPE_FUNCTION long difference(long input) {
  int k = (int)input;
#ifdef SHAPES_CLAMPED
  return table[9];
#endif
  return table[k - 2];  // at difference
}

SHAPE_FUNCTION long product(long input) {
  int k = (int)input;
#ifdef SHAPES_CLAMPED
  return table[9];
#endif
  return table[k * 3 + 1];  // at product
}

// A compiler that knows what i can be compares i with another limit: i + 3 < 10 is i < 7.
SHAPE_FUNCTION long byte_and_sum(long input) {
  const unsigned char i = (unsigned char)input;
#ifdef SHAPES_CLAMPED
  return table[9];
#endif
  return table[i + 3];  // at byte_and_sum
}

SHAPE_FUNCTION long masked_and_sum(long input) {
  const int i = (int)(input & 31);
#ifdef SHAPES_CLAMPED
  return other[19] + i;
#endif
  return other[i + 4] + i;  // at masked_and_sum
}

SHAPE_FUNCTION long byte_doubled(long input) {
  const unsigned char i = (unsigned char)input;
#ifdef SHAPES_CLAMPED
  return table[9];
#endif
  return table[2 * i];  // at byte_doubled
}

SHAPE_FUNCTION long byte_difference(long input) {
  const unsigned char i = (unsigned char)input;
#ifdef SHAPES_CLAMPED
  return sixteen[0];
#endif
  return sixteen[i - 200];  // at byte_difference
}

SHAPE_FUNCTION long global_index(long input) {
  position = (int)input;
  __asm__ volatile("" ::: "memory");
  CLAMP(position, 0, 9);
  return table[position];  // at global_index
}

SHAPE_FUNCTION long index_in_array(long input) {
#ifdef SHAPES_CLAMPED
  return table[9];
#endif
  return table[positions[input]];  // at index_in_array
}

SHAPE_FUNCTION long incremented(long input) {
  int i = (int)input;
  CLAMP(i, 0, 9);
  const int value = table[i++];  // at incremented
  return value * 100L + i;
}

static __attribute__((noinline)) int hash(long input) {
  __asm__ volatile("" : "+r"(input));
  return (int)(input * 3 + 1);
}

SHAPE_FUNCTION long from_a_call(long input) {
  int i = hash(input);
  CLAMP(i, 0, 9);
  return table[i];  // at from_a_call
}

SHAPE_FUNCTION long address(long input) {
  int i = (int)input;
  CLAMP(i, 0, 10);
  const int* place = &table[i];  // at address
  __asm__ volatile("" : "+r"(place));
  return (long)(place - table);
}

// size_t arithmetic on an int that is not negative: as with a char, the compiler knows that the sum does not overflow.
SHAPE_FUNCTION long unsigned_and_sum(long input) {
  const unsigned u = (unsigned)input;
#ifdef SHAPES_CLAMPED
  return table[9];
#endif
  return table[u + 3ul];  // at unsigned_and_sum
}

// Two checks of one number, which a compiler makes one of: k < 10 and k + 3 < 10 are k < 7.
SHAPE_FUNCTION long upper_neighbour(long input) {
  const int k = (int)input;
#ifdef SHAPES_CLAMPED
  return table[k] + 10 * table[9];
#endif
  const long value = table[k];
  return value + 10 * table[k + 3];  // at upper_neighbour
}

SHAPE_FUNCTION long both_neighbours(long input) {
  const int k = (int)input;
#ifdef SHAPES_CLAMPED
  return table[k - 2] + 10 * table[9];
#endif
  const long value = table[k - 2];
  return value + 10 * table[k + 1];  // at both_neighbours
}

// Several checks, one trap when optimised: which of them was it?
SHAPE_FUNCTION long three(int i, int j, int k) {
  CLAMP(i, 0, 9);
  CLAMP(j, 0, 19);
  CLAMP(k, 0, 15);
  long sum = table[i];  // at first_of_three
  sum += other[j];      // at second_of_three
  sum += sixteen[k];    // at third_of_three
  return sum;
}

SHAPE_FUNCTION long of_three(long input) { return three(LOW(input), MIDDLE(input), HIGH(input)); }

SHAPE_FUNCTION long pair(int i, int k) {
  CLAMP(i, 0, 9);
  CLAMP(k, 0, 9);
  const long value = table[i];
  return value + 10 * table[k];  // at second_same_limit
}

SHAPE_FUNCTION long same_limit(long input) { return pair(LOW(input), MIDDLE(input)); }

// More values alive than there are registers: the index comes off the stack.
SHAPE_FUNCTION long pressed(long input) {
  const volatile int* const values = other;
  int a = values[0], b = values[1], c = values[2], d = values[3], e = values[4], f = values[5];
  int g = values[6], h = values[7], m = values[8], n = values[9], o = values[10], p = values[11];
  int i = (int)input;
  CLAMP(i, 0, 9);
  const int value = table[i];  // at pressed
  return value + a * b + c * d + e * f + g * h + m * n + o * p + a * c + b * d + e * g + f * h +
         m * o + n * p + a * p + b * o;
}

SHAPE_FUNCTION long over_the_end(long input) {
  long sum = 0;
  int turns = 0;
  for (int i = 0; i <= (int)input && turns < 11; ++i, ++turns) {
    CLAMP(i, 0, 9);
    sum += table[i];  // at over_the_end
  }
  return sum;
}

SHAPE_FUNCTION long backwards(long input) {
  long sum = 0;
  int turns = 0;
  for (int i = (int)input; turns < 7; --i, ++turns) {
    CLAMP(i, 0, 9);
    sum = sum * 3 + table[i];  // at backwards
  }
  return sum;
}

SHAPE_FUNCTION long copied_between(long input) {
  int turns = 0;
  for (int i = 0; i < (int)input && turns < 14; ++i, ++turns) {
    CLAMP(i, 0, 9);
    table[i] = other[i];  // at copied_between
  }
  return table[9];
}

// clang 19 knows what all callers give, and compares k with another limit.
SHAPE_FUNCTION long narrow_parameter_of(long k) {
  long i = k + 3;
  CLAMP(i, 0, 9);
  return table[i];  // at narrow_parameter
}

SHAPE_FUNCTION long narrow_parameter(long input) {
  return narrow_parameter_of((unsigned char)input);
}

SHAPE_FUNCTION long narrow_multiple_of(long k) {
  long i = 2 * k;
  CLAMP(i, 0, 9);
  return table[i];  // at narrow_multiple
}

SHAPE_FUNCTION long narrow_multiple(long input) {
  return narrow_multiple_of((unsigned char)input);
}

static const struct shape arrays[] = {
    {"constant limit", "read_int", read_int, 12, 12, 0, 9},
    {"constant limit", "write_int", write_int, 10, 10, 0, 9},
    {"constant limit", "used_later", used_later, 11, 11, 0, 9},
    {"constant limit", "long_index", long_index, 1000000, 1000000, 0, 9},
    {"constant limit", "unsigned_index", unsigned_index, 13, 13, 0, 9},
    {"constant limit", "bytes", bytes, 26, 26, 0, 25},
    {"constant limit", "doubles", doubles, 7, 7, 0, 6},
    {"constant limit", "structures", structures, 6, 6, 0, 4},
    {"constant limit", "power_of_two", power_of_two, 16, 16, 0, 15},
    {"constant limit", "limit_of_one", limit_of_one, 1, 1, 0, 0},
    {"constant limit", "large_limit", large_limit, 123456, 123456, 0, 99999},
    {"constant limit", "limit_128", limit_128, 128, 128, 0, 127},
    {"constant limit", "on_the_stack", on_the_stack, 14, 14, 0, 11},
    {"constant limit", "global_index", global_index, 12, 12, 0, 9},
    {"constant limit", "index_in_array", index_in_array, 2, 15, 0, 9},
    {"constant limit", "incremented", incremented, 10, 10, 0, 9},
    {"constant limit", "from_a_call", from_a_call, 5, 16, 0, 9},
    {"constant limit", "address", address, 12, 12, 0, 10},
    {"computed index", "sum_as_index", sum_as_index, 9, 12, 0, 9},
    {"computed index", "sum_in_brackets", sum_in_brackets, 8, 11, 0, 9},
    {"computed index", "difference", difference, 13, 11, 0, 9},
    {"computed index", "product", product, 5, 16, 0, 9},
    {"computed index", "byte_and_sum", byte_and_sum, 9, 12, 0, 9},
    {"computed index", "masked_and_sum", masked_and_sum, 17, 21, 0, 19},
    {"computed index", "byte_doubled", byte_doubled, 6, 12, 0, 9},
    {"computed index", "byte_difference", byte_difference, 120, -80, 0, 15},
    {"computed index", "unsigned_and_sum", unsigned_and_sum, 9, 12, 0, 9},
    {"computed index", "narrow_parameter", narrow_parameter, 8, 11, 0, 9},
    {"computed index", "narrow_multiple", narrow_multiple, 7, 14, 0, 9},
    {"several checks", "upper_neighbour", upper_neighbour, 8, 11, 0, 9},
    {"several checks", "both_neighbours", both_neighbours, 10, 11, 0, 9},
    {"several checks", "first_of_three", of_three, 0x01020b, 11, 0, 9},
    {"several checks", "second_of_three", of_three, 0x011903, 25, 0, 19},
    {"several checks", "third_of_three", of_three, 0x120204, 18, 0, 15},
    {"several checks", "second_same_limit", same_limit, 0x0e03, 14, 0, 9},
    {"several checks", "pressed", pressed, 15, 15, 0, 9},
    {"loop", "over_the_end", over_the_end, 12, 10, 0, 9},
    {"loop", "backwards", backwards, 4, -1, 0, 9},
    {"loop", "copied_between", copied_between, 20, 10, 0, 9},
};

extern const struct shape_list arrays_list;
const struct shape_list arrays_list = {arrays, sizeof arrays / sizeof *arrays};
