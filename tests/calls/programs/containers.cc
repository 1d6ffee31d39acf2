// SPDX-License-Identifier: Apache-2.0
// containers CASE: a container of the C++ library is used outside its bounds; case 6 is an
// assertion about something else.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

static volatile std::size_t twelve = 12;

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
      result = ten[twelve];
      break;
    case 1:
      result = word[twelve];
      break;
    case 2:
      result = four[twelve];
      break;
    case 3:
      result = none.front();
      break;
    case 4:
      result = none.back();
      break;
    case 5:
      result = view[twelve];
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
