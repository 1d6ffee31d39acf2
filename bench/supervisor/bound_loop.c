// SPDX-License-Identifier: Apache-2.0
//
// bound_loop N CPU: raises N bound exceptions on one processor and prints the nanoseconds that each
// took, as the program sees it. The index register must come back as the upper bound (repaired) or
// unchanged (skipped).
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

__attribute__((noinline)) static int32_t check(int32_t index, const int32_t* bounds) {
  __asm__ volatile("boundl %%eax, (%%edx)" : "+a"(index) : "d"(bounds) : "memory");
  return index;
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const long count = atol(argv[1]);
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(atoi(argv[2]), &cpus);
  if (count < 1 || sched_setaffinity(0, sizeof cpus, &cpus) != 0) return 2;
  static const int32_t bounds[2] = {0, 9};
  // A few before the clock starts: the tracer finds its processor, caches fill.
  for (long i = 0; i < 200; ++i) check(100 + (int32_t)i, bounds);
  const int64_t start = now_ns();
  for (long i = 0; i < count; ++i) {
    // No two in a row are the same, as in a program that gets on.
    const int32_t index = 10 + (int32_t)(i & 0xffff);
    const int32_t back = check(index, bounds);
    if (back != 9 && back != index) return 1;
  }
  printf("%.1f\n", (double)(now_ns() - start) / (double)count);
  return 0;
}
