// SPDX-License-Identifier: Apache-2.0
//
// Traps of all kinds, written out: what a hardened libc++ makes of __builtin_verbose_trap (a
// function by this name, inlined), an assertion that has nothing to do with bounds, and, with
// NUMBERED, what clang's -ubsan-unique-traps makes.
int table[10];

static inline __attribute__((always_inline)) void __clang_trap_msg$libc$index_out_of_bounds(void) {
  __builtin_trap();
}

__attribute__((noinline)) int hardened(unsigned long index) {
  if (index >= 10) __clang_trap_msg$libc$index_out_of_bounds();
  return table[index];
}

__attribute__((noinline)) int asserted(const int* pointer) {
  if (pointer == 0) __builtin_trap();
  return *pointer;
}

#ifdef NUMBERED
#define TRAP(number) __asm__ volatile(".byte 0x67, 0x0f, 0xb9, 0x40, " #number)
#else
#define TRAP(number) __asm__ volatile(".byte 0x67, 0x0f, 0xb9, 0x40, 0x00")
#endif

__attribute__((noinline)) int arithmetic(int value) {
  if (value > 5) {
    TRAP(0x21);
    __builtin_unreachable();
  }
  if (value < -5) {
    TRAP(0x12);
    __builtin_unreachable();
  }
  return value + 1;
}

int main(int argc, char** argv) {
  (void)argv;
  return hardened((unsigned long)argc) + asserted(table) + arithmetic(argc);
}
