// SPDX-License-Identifier: Apache-2.0
//
// One BOUND instruction.
int limits[2] = {0, 9};
int table[10];

__attribute__((noinline)) int pick(int index) {
  __asm__ volatile("bound %0, %1" : : "r"(index), "m"(limits));
  return table[index];
}

int main(int argc, char** argv) {
  (void)argv;
  return pick(argc);
}
