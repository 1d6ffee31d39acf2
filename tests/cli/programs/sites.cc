// SPDX-License-Identifier: Apache-2.0
//
// Fails bounds checks at several places, from several callers, over some time: for the tests of the
// reports. With an argument: that many rounds (default 4).
#include <stdlib.h>
#include <unistd.h>

struct Bounds {
  int lower;
  int upper;
};

namespace matrix {

const Bounds kRows = {0, 7};
const Bounds kColumns = {0, 15};
int cells[8][16];

__attribute__((noinline)) int check_row(int row) {
  __asm__ volatile("bound %0, %1" : "+a"(row) : "m"(kRows));
  return row;
}

template <typename T>
inline __attribute__((always_inline)) T at(int row, int column) {
  row = check_row(row);
  __asm__ volatile("bound %0, %1" : "+c"(column) : "m"(kColumns));
  return static_cast<T>(cells[row][column]);
}

}  // namespace matrix

const Bounds kGlyphs = {32, 126};

__attribute__((noinline)) long sum_row(int row, int width) {
  long sum = 0;
  for (int column = 0; column < width; ++column) sum += matrix::at<long>(row, column);
  return sum;
}

__attribute__((noinline)) long trace(int size) {
  long sum = 0;
  for (int i = 0; i < size; ++i) sum += matrix::at<short>(i, i);
  return sum;
}

__attribute__((noinline)) int glyph_width(int character) {
  __asm__ volatile("bound %0, %1" : "+d"(character) : "m"(kGlyphs));
  return character & 7;
}

__attribute__((noinline)) int text_width(const char* text) {
  int width = 0;
  for (; *text != 0; ++text) width += glyph_width(*text);
  return width;
}

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? atoi(argv[1]) : 4;
  long result = 0;
  for (int round = 0; round < rounds; ++round) {
    result += sum_row(round % 9, 16 + round % 3);
    result += trace(9 + round % 2);
    if (round % 2 == 0) result += text_width("tab\there, umlaut \xc3\xa4");
    usleep(20000);
  }
  return result == -1;
}
