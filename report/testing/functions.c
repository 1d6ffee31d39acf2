// SPDX-License-Identifier: Apache-2.0
//
// Functions of which debug information says what they are given in which registers, and symbols who
// may call them.
#define NEVER_INLINED __attribute__((noinline))

typedef unsigned char Octet;
typedef const long Number;
enum color { RED, GREEN };
struct pair {
  long first, second;
};
volatile long sink;

NEVER_INLINED void of_numbers(int a, Octet b, unsigned long c, short d) {
  sink = a + b + (long)c;
  sink = a + b + (long)c + d;
  __asm__ volatile("" : : "r"(a), "r"(b), "r"(c), "r"(d));
}

NEVER_INLINED void of_others(const int* a, enum color b, _Bool c, Number d) {
  sink = d;
  __asm__ volatile("" : : "r"(a), "r"(b), "r"(c), "r"(d));
}

// In two registers together.
NEVER_INLINED void of_a_structure(struct pair pair, unsigned last) {
  sink = last;
  __asm__ volatile("" : : "r"(pair.first), "r"(pair.second), "r"(last));
}

__attribute__((weak, noinline)) void replaceable(int a) {
  sink = a;
  __asm__ volatile("" : : "r"(a));
}

static NEVER_INLINED void own(int a, long b) {
  sink = a;
  sink = b;
  __asm__ volatile("" : : "r"(a), "r"(b));
}

int main(int count, char** arguments) {
  const struct pair pair = {count, count};
  of_numbers(count, (Octet)count, (unsigned long)count, (short)count);
  of_others(&count, count > 1 ? GREEN : RED, count > 2, (long)arguments);
  of_a_structure(pair, (unsigned)count);
  replaceable(count);
  own(count + 1, sink);
  return 0;
}
