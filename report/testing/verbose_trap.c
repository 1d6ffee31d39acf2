// SPDX-License-Identifier: Apache-2.0
static int values[4];

__attribute__((noinline)) static int pick(unsigned index) {
  if (index >= 4) __builtin_verbose_trap("Bounds", "index out of bounds");  // checked here
  return values[index];
}

int main(int argc, char** argv) {
  (void)argv;
  return pick((unsigned)argc + 6);
}
