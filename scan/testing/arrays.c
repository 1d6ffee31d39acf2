// SPDX-License-Identifier: Apache-2.0
//
// Two checks with the same code but for a displacement. Only the arrays tell that it is a member's
// offset in one, and was added to the index in the other.
struct counts {
  short before[2];
  int seven[7];
  int ten[10];
};

struct counts counts;

__attribute__((noinline)) int member(unsigned char index) { return counts.seven[index]; }
__attribute__((noinline)) int sum(unsigned char index) { return counts.ten[index + 3]; }

int main(int argc, char** argv) {
  (void)argv;
  counts.seven[0] = argc;
  return member((unsigned char)argc) + sum((unsigned char)argc);
}
