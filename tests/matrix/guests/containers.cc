// SPDX-License-Identifier: Apache-2.0
//
// Containers whose library checks the index: libstdc++ with _GLIBCXX_ASSERTIONS, libc++ in a
// hardening mode.
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shape.h"

namespace {

std::array<int, 10> fixed = {3, 1, 4, 1, 5, 9, 2, 6, 5, 35};
std::vector<int> numbers = {2, 7, 1, 8, 28};
std::vector<std::array<int, 3>> rows(6);
std::vector<char> letters(100, 'q');
// Never destroyed: the destructor is in a library that there is not for 32 bits.
std::string& text = *new std::string("out of bounds, into the unknown and back");
std::string& word = *new std::string("short");

SHAPE_FUNCTION long array_read(long input) {
  auto i = static_cast<size_t>(input);
  CLAMP(i, 0, 9);
  return fixed[i];  // at array_read
}

SHAPE_FUNCTION long array_int_index(long input) {
  int i = static_cast<int>(input);
  CLAMP(i, 0, 9);
  fixed[i] = 3;  // at array_int_index
  return fixed[0];
}

SHAPE_FUNCTION long vector_read(long input) {
  auto i = static_cast<size_t>(input);
  CLAMP(i, 0, 4);
  return numbers[i];  // at vector_read
}

SHAPE_FUNCTION long vector_negative(long input) {
  int i = static_cast<int>(input);
  CLAMP(i, 0, 4);
  return numbers[i];  // at vector_negative
}

SHAPE_FUNCTION long vector_write(long input) {
  auto i = static_cast<size_t>(input);
  CLAMP(i, 0, 4);
  numbers[i] = 90;  // at vector_write
  return numbers[4];
}

SHAPE_FUNCTION long vector_of_arrays(long input) {
  auto i = static_cast<size_t>(input);
  CLAMP(i, 0, 5);
  rows[i][1] = 6;  // at vector_of_arrays
  return rows[5][1];
}

SHAPE_FUNCTION long vector_of_bytes(long input) {
  auto i = static_cast<unsigned char>(input);
  CLAMP(i, 0, 99);
  return letters[i];  // at vector_of_bytes
}

SHAPE_FUNCTION long vector_loop(long input) {
  long sum = 0;
  int turns = 0;
  for (size_t i = 0; i <= static_cast<size_t>(input) && turns < 6; ++i, ++turns) {
    CLAMP(i, 0, 4);
    sum += numbers[i];  // at vector_loop
  }
  return sum;
}

SHAPE_FUNCTION long span_read(long input) {
  const std::span<const int> view(numbers.data() + 1, 3);
  auto i = static_cast<size_t>(input);
  CLAMP(i, 0, 2);
  return view[i];  // at span_read
}

SHAPE_FUNCTION long string_read(long input) {
  auto i = static_cast<size_t>(input);
  CLAMP(i, 0, 40);
  return text[i];  // at string_read
}

SHAPE_FUNCTION long short_string(long input) {
  auto i = static_cast<size_t>(input);
  CLAMP(i, 0, 5);
  word[i] = '\0';  // at short_string
  return word[0];
}

SHAPE_FUNCTION long view_read(long input) {
  const std::string_view view = text;
  auto i = static_cast<size_t>(input);
  CLAMP(i, 0, 39);
  return view[i];  // at view_read
}

const shape containers[] = {
    {"std::array", "array_read", array_read, 10, 10, 0, 9},
    {"std::array", "array_int_index", array_int_index, -1, -1, 0, 9},
    {"std::vector", "vector_read", vector_read, 5, 5, 0, 4},
    {"std::vector", "vector_negative", vector_negative, -2, -2, 0, 4},
    {"std::vector", "vector_write", vector_write, 70, 70, 0, 4},
    {"std::vector", "vector_of_arrays", vector_of_arrays, 6, 6, 0, 5},
    {"std::vector", "vector_of_bytes", vector_of_bytes, 200, 200, 0, 99},
    {"std::vector", "vector_loop", vector_loop, 9, 5, 0, 4},
    {"std::span", "span_read", span_read, 3, 3, 0, 2},
    {"std::string", "string_read", string_read, 44, 44, 0, 40},
    {"std::string", "short_string", short_string, 6, 6, 0, 5},
    {"std::string", "view_read", view_read, 40, 40, 0, 39},
};

}  // namespace

extern "C" {
extern const shape_list containers_list;
const shape_list containers_list = {containers, sizeof containers / sizeof *containers};
const shape_list* const shape_lists[] = {&containers_list};
const size_t shape_list_count = 1;
}
