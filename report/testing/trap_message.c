// SPDX-License-Identifier: Apache-2.0
//
// The debug information that clang 19 makes for __builtin_verbose_trap, by hand: compilers of any age
// write it for this.
static inline __attribute__((always_inline)) void __clang_trap_msg$Bounds$index_out_of_bounds(void) {
  __builtin_trap();  // the failing line
}

static int values[4];

__attribute__((noinline)) static int pick(unsigned index) {
  if (index >= 4) __clang_trap_msg$Bounds$index_out_of_bounds();  // checked here
  return values[index];
}

int main(int argc, char** argv) {
  (void)argv;
  return pick((unsigned)argc + 6);
}
