// SPDX-License-Identifier: Apache-2.0
//
// A known chain of calls that ends in a bound exception (32-bit) or an invalid instruction
// (64-bit).
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#if defined(__i386__)
#define FAIL()                                                 \
  do {                                                         \
    static const int bounds[2] = {0, 9};                       \
    __asm__ volatile("bound %0, %1" : : "r"(12), "m"(bounds)); \
  } while (0)
#else
#define FAIL() __asm__ volatile("ud2")
#endif

volatile int sink;

__attribute__((noinline)) static void pick(void) {
  FAIL();  // the failing line
  ++sink;
}
__attribute__((noinline)) static void middle(int depth) {
  volatile char room[100];
  room[depth] = 1;
  if (depth > 0) {
    middle(depth - 1);
  } else {
    pick();
  }
  sink += room[depth];
}
__attribute__((noinline)) void outer(void) {
  middle(2);
  ++sink;
}
static int compare(const void* left, const void* right) {
  outer();
  return *(const int*)left - *(const int*)right;
}
__attribute__((noinline)) static void through_libc(void) {
  int values[2] = {2, 1};
  qsort(values, 2, sizeof values[0], compare);
  sink += values[0];
}
static void on_signal(int number) {
  sink += number;
  outer();
  ++sink;
}
__attribute__((noinline)) static void through_signal(void) {
  signal(SIGUSR1, on_signal);
  raise(SIGUSR1);
  ++sink;
}
__attribute__((noinline)) static int recurse(int depth) {
  if (depth == 0) {
    outer();
    return 1;
  }
  return recurse(depth - 1) + sink;
}

int main(int argc, char** argv) {
  const char* how = argc > 1 ? argv[1] : "";
  if (strcmp(how, "libc") == 0) {
    through_libc();
  } else if (strcmp(how, "signal") == 0) {
    through_signal();
  } else if (strcmp(how, "deep") == 0) {
    return recurse(1000);
  } else {
    outer();
  }
  return sink;
}
