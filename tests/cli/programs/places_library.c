// SPDX-License-Identifier: Apache-2.0
struct bounds {
  int lower;
  int upper;
};
static const struct bounds limits = {0, 9};

static inline __attribute__((always_inline)) int checked(int index) {
  __asm__ volatile("bound %0, %1" : "+a"(index) : "m"(limits));  // the library's check
  return index;
}

int library_pick(int index) { return checked(index) + 1; }
