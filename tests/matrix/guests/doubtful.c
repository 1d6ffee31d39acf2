// SPDX-License-Identifier: Apache-2.0
//
// Indices that a compiler may check by another number, and accesses that are not of the array that
// is checked: what a claim that is made too easily is wrong about.
#include "shape.h"

struct counts {
  short before[2];
  int seven[7];
  int ten[10];
  long after;
};

struct pair {
  int first, second;
};

// As long as the folded limit of another one is.
SHAPE_DATA int tenner[10] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
SHAPE_DATA int seven[7] = {7, 6, 5, 4, 3, 2, 1};
SHAPE_DATA short halves[20];
SHAPE_DATA unsigned multiplied[4] = {1, 2, 3, 6};
SHAPE_DATA unsigned char octets[10];
SHAPE_DATA int matrix[5][2];
SHAPE_DATA short triples[24];
SHAPE_DATA long eighths, kept;
SHAPE_DATA int square[4][4];
SHAPE_DATA struct pair pairs[8] = {[7] = {7, 8}};
SHAPE_DATA union {
  int flat[12];
  int rows[3][4];
  int first;  // the last array would be taken for a flexible one
} both_ways;
SHAPE_DATA union {
  int words[10];
  short halves[20];
  int first;
} two_widths;
SHAPE_DATA struct counts counts = {{0, 0}, {1, 2, 3, 4, 5, 6, 7}, {0}, 1};

// The access goes by a pointer, which has no check; what is checked is not read.
SHAPE_FUNCTION long unread_neighbour(long input) {
  const unsigned char i = (unsigned char)input;
  const int* const place = tenner;
#ifdef SHAPES_CLAMPED
  return place[i] + 0 * tenner[9];
#endif
  (void)octets[i + 3];  // at unread_neighbour
  return place[i];
}

// Two elements of 16 bits, written at once.
SHAPE_FUNCTION long written_in_pairs(long input) {
  const unsigned char i = (unsigned char)input;
#ifdef SHAPES_CLAMPED
  halves[19] = 1;
  return halves[0];
#endif
  halves[2 * i] = 1;  // at written_in_pairs
  halves[2 * i + 1] = 1;
  return halves[0];
}

// gcc without optimization calculates an index of constants twice, for the check and for the
// access.
SHAPE_FUNCTION long halved(long input) {
  const unsigned i = (unsigned)input;
#ifdef SHAPES_CLAMPED
  return tenner[9] + seven[i / 8];
#endif
  const int* const place = seven;
  return tenner[i / 2] + place[i / 8];  // at halved
}

// One of "i / 2 < 10" is also one of "i < 20", and what is accessed by i has none.
SHAPE_FUNCTION long half_and_whole(long input) {
  const unsigned i = (unsigned)input;
  const short* place = halves;
  __asm__ volatile("" : "+r"(place));
#ifdef SHAPES_CLAMPED
  return tenner[9] + place[i / 2];
#endif
  return tenner[i / 2] + place[i];  // at half_and_whole
}
SHAPE_FUNCTION long rest_of(int dividend, int divisor) {
  const int a = dividend, b = divisor;
#ifdef SHAPES_CLAMPED
  return tenner[9] + a + b;
#endif
  return tenner[a % b] + a + b;  // at rest
}
SHAPE_FUNCTION long rest(long input) { return rest_of(MIDDLE(input), LOW(input)); }

// Two bytes, read at once.
SHAPE_FUNCTION long read_in_pairs(long input) {
  const unsigned char i = (unsigned char)input;
#ifdef SHAPES_CLAMPED
  return octets[9];
#endif
  const long low = octets[2 * i];  // at read_in_pairs
  return low | octets[2 * i + 1] << 8;
}

// One check for both: that of the first.
SHAPE_FUNCTION long sum_then_plain(long input) {
  const unsigned char i = (unsigned char)input;
#ifdef SHAPES_CLAMPED
  return tenner[9] + seven[6];
#endif
  const long first = tenner[i + 3];  // at sum_then_plain
  return first + seven[i];
}

// The address of the first is made, and read elsewhere.
static __attribute__((noinline)) long read_at(const int* place) {
  __asm__ volatile("" : "+r"(place));
  return place != (const int*)0;
}
SHAPE_FUNCTION long address_then_plain(long input) {
  const unsigned char i = (unsigned char)input;
#ifdef SHAPES_CLAMPED
  return read_at(&tenner[9]) + seven[6];
#endif
  const long first = read_at(&tenner[i + 4]);  // at address_then_plain
  return first + seven[i];
}

// Members, whose offsets are like sums.
SHAPE_FUNCTION long member_and_sum(long input) {
  const unsigned char i = (unsigned char)input;
#ifdef SHAPES_CLAMPED
  return counts.ten[9];
#endif
  return counts.ten[i + 3];  // at member_and_sum
}
SHAPE_FUNCTION long member_by_byte(long input) {
  const unsigned char i = (unsigned char)input;
#ifdef SHAPES_CLAMPED
  return counts.seven[6];
#endif
  return counts.seven[i];  // at member_by_byte
}

// Rows of two: by a flat number, and the row's own.
SHAPE_FUNCTION long flat_rows(long input) {
  const unsigned char i = (unsigned char)input;
#ifdef SHAPES_CLAMPED
  return matrix[4][i % 2];
#endif
  return matrix[i / 2][i % 2];  // at flat_rows
}

// A multiple of eight, and one more: clang 19 compares the multiple with the same limit.
SHAPE_FUNCTION long kept_multiple(long input) {
  eighths = input;
  __asm__ volatile("" ::: "memory");
  const long multiple = 8 * eighths;
  kept = multiple;
  long i = multiple + 1;
#ifdef SHAPES_CLAMPED
  i = 23;
#endif
  return triples[i];  // at kept_multiple
}

// Arrays that lie in each other, and others of the same length: the second row, column, or each
// second element is what is checked.
SHAPE_FUNCTION long row_and_one(long input) {
  const unsigned char i = (unsigned char)input;
#ifdef SHAPES_CLAMPED
  return square[3][1];
#endif
  return square[i + 1][1];  // at row_and_one
}
SHAPE_FUNCTION long column_and_one(long input) {
  const unsigned char i = (unsigned char)input;
  const int row = (int)(input >> 8) & 3;
#ifdef SHAPES_CLAMPED
  return square[row][3];
#endif
  return square[row][i + 1];  // at column_and_one
}
SHAPE_FUNCTION long pair_doubled(long input) {
  const unsigned char i = (unsigned char)input;
#ifdef SHAPES_CLAMPED
  return pairs[7].second;
#endif
  return pairs[2 * i].second;  // at pair_doubled
}
SHAPE_FUNCTION long union_rows(long input) {
  const unsigned char i = (unsigned char)input;
#ifdef SHAPES_CLAMPED
  return both_ways.flat[11];
#endif
  return both_ways.flat[4 * i];  // at union_rows
}

// The other way: 13 of 12 is row 3 of 3.
SHAPE_FUNCTION long union_columns(long input) {
  const unsigned char i = (unsigned char)input;
#ifdef SHAPES_CLAMPED
  return both_ways.rows[2][i % 4];
#endif
  return both_ways.rows[i / 4][i % 4];  // at union_columns
}
// Two halves at once are a word, and both arrays have the same bytes.
SHAPE_FUNCTION long union_in_pairs(long input) {
  const unsigned char i = (unsigned char)input;
#ifdef SHAPES_CLAMPED
  two_widths.halves[19] = 1;
  return two_widths.halves[0];
#endif
  two_widths.halves[2 * i] = 1;  // at union_in_pairs
  two_widths.halves[2 * i + 1] = 1;
  return two_widths.halves[0];
}

// Compared as it is, with 8 bits: the sum has more.
SHAPE_GLOBAL long byte_parameter_of(unsigned char i) {
#ifdef SHAPES_CLAMPED
  return tenner[9];
#endif
  return tenner[i + 3];  // at byte_parameter
}
SHAPE_FUNCTION long byte_parameter(long input) { return byte_parameter_of((unsigned char)input); }

// As a size_t no multiple of it overflows: "u < 5" is what is compared, as of five structures.
SHAPE_FUNCTION long unsigned_doubled(long input) {
  const unsigned* numbers = multiplied;
  __asm__ volatile("" : "+r"(numbers));
  const unsigned u = numbers[input];
#ifdef SHAPES_CLAMPED
  return tenner[9];
#endif
  return tenner[2ul * u];  // at unsigned_doubled
}

// A multiple that is compared without the constant that is added to it.
SHAPE_FUNCTION long multiple_and_sum(long input) {
  const unsigned* numbers = multiplied;
  __asm__ volatile("" : "+r"(numbers));
  const unsigned u = numbers[input];
#ifdef SHAPES_CLAMPED
  return tenner[9];
#endif
  return tenner[8ul * u + 3];  // at multiple_and_sum
}
SHAPE_GLOBAL long byte_multiple_of(unsigned char i) {
#ifdef SHAPES_CLAMPED
  return tenner[9];
#endif
  return tenner[3 * i + 2];  // at byte_multiple
}
SHAPE_FUNCTION long byte_multiple(long input) { return byte_multiple_of((unsigned char)input); }

// clang 19 knows what is stored in a static variable, too.
static long stored;
static __attribute__((noinline)) void store(long input) { stored = (unsigned char)input; }

SHAPE_FUNCTION long stored_and_sum_of(void) {
  long i = stored + 3;
  CLAMP(i, 0, 9);
  return tenner[i];  // at stored_and_sum
}
SHAPE_FUNCTION long stored_and_sum(long input) {
  store(input);
  return stored_and_sum_of();
}

SHAPE_FUNCTION long stored_doubled_of(void) {
  long i = 2 * stored;
  CLAMP(i, 0, 9);
  return tenner[i];  // at stored_doubled
}
SHAPE_FUNCTION long stored_doubled(long input) {
  store(input);
  return stored_doubled_of();
}

static const struct shape doubtful[] = {
    {"doubtful", "unread_neighbour", unread_neighbour, 8, 11, 0, 9},
    {"doubtful", "written_in_pairs", written_in_pairs, 12, 24, 0, 19},
    {"doubtful", "halved", halved, 24, 12, 0, 9},
    {"doubtful", "half_and_whole", half_and_whole, 24, 12, 0, 9},
    {"doubtful", "rest", rest, 0x2c11, 10, 0, 9},
    {"doubtful", "read_in_pairs", read_in_pairs, 7, 14, 0, 9},
    {"doubtful", "sum_then_plain", sum_then_plain, 8, 11, 0, 9},
    {"doubtful", "address_then_plain", address_then_plain, 9, 13, 0, 10},
    {"doubtful", "member_and_sum", member_and_sum, 9, 12, 0, 9},
    {"doubtful", "member_by_byte", member_by_byte, 9, 9, 0, 6},
    {"doubtful", "flat_rows", flat_rows, 12, 6, 0, 4},
    {"doubtful", "kept_multiple", kept_multiple, 3, 25, 0, 23},
    {"doubtful", "row_and_one", row_and_one, 3, 4, 0, 3},
    {"doubtful", "column_and_one", column_and_one, 0x103, 4, 0, 3},
    {"doubtful", "pair_doubled", pair_doubled, 4, 8, 0, 7},
    {"doubtful", "union_rows", union_rows, 3, 12, 0, 11},
    {"doubtful", "union_columns", union_columns, 13, 3, 0, 2},
    {"doubtful", "union_in_pairs", union_in_pairs, 12, 24, 0, 19},
    {"doubtful", "byte_parameter", byte_parameter, 9, 12, 0, 9},
    {"doubtful", "unsigned_doubled", unsigned_doubled, 3, 12, 0, 9},
    {"doubtful", "multiple_and_sum", multiple_and_sum, 0, 11, 0, 9},
    {"doubtful", "byte_multiple", byte_multiple, 3, 11, 0, 9},
    {"doubtful", "stored_and_sum", stored_and_sum, 8, 11, 0, 9},
    {"doubtful", "stored_doubled", stored_doubled, 7, 14, 0, 9},
};
const struct shape_list doubtful_list = {doubtful, sizeof doubtful / sizeof *doubtful};
