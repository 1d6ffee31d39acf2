// SPDX-License-Identifier: Apache-2.0
//
// Two accesses that an asserting libstdc++ checks.
#include <array>
#include <vector>

std::vector<int> numbers(10);
std::array<int, 5> few{};

[[gnu::noinline]] int from_vector(int index) { return numbers[static_cast<unsigned>(index)]; }
[[gnu::noinline]] int from_array(int index) { return few[static_cast<unsigned>(index)]; }

int main(int argc, char**) { return from_vector(argc) + from_array(argc); }
