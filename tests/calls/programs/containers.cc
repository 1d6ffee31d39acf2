// SPDX-License-Identifier: Apache-2.0
// containers CASE: a container of the C++ library is used outside its bounds; case 6 is an
// assertion about something else. Each use is a function: an optimizer makes one of the failures of
// a function, and forgets which was which.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

static volatile std::size_t twelve = 12;

template <class T>
[[gnu::noinline]] static int at(const T& container, std::size_t index) {
  return container[index];
}
[[gnu::noinline]] static int first(const std::vector<int>& ints) { return ints.front(); }
[[gnu::noinline]] static int last(const std::vector<int>& ints) { return ints.back(); }

int main(int argc, char** argv) {
  const int which = argc > 1 ? std::atoi(argv[1]) : -1;
  const std::vector<int> ten(10, 7);
  const std::vector<int> none;
  const std::string word = "hello";
  const std::string_view view = word;
  const std::array<int, 4> four{1, 2, 3, 4};
  const std::unique_ptr<int> nothing;
  int result = 0;
  switch (which) {
    case 0:
      result = at(ten, twelve);
      break;
    case 1:
      result = at(word, twelve);
      break;
    case 2:
      result = at(four, twelve);
      break;
    case 3:
      result = first(none);
      break;
    case 4:
      result = last(none);
      break;
    case 5:
      result = at(view, twelve);
      break;
    case 6:
      result = *nothing;
      break;
    default:
      result = ten[9];
      break;
  }
  std::printf("case %d: %s\n", which, result == 12345 ? "odd" : "well");
  return 0;
}
