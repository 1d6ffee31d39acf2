// SPDX-License-Identifier: Apache-2.0
//
// What a guest of the matrix is made of: shapes. A shape is a function that indexes out of bounds
// in a known way. Each runs in a child of its own, which says first what it is about to do, so that
// whoever looks on can tell what the event of that child must say. The line is that of the comment
// "// at NAME" in the source.
#pragma once
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct shape {
  const char* group;  // row of the published table
  const char* name;
  long (*run)(long input);
  long input;                // what is given to it
  long index, lower, upper;  // what the failing check sees; both bounds inclusive
};

struct shape_list {
  const struct shape* shapes;
  size_t count;
};

// The lists of the files that a guest is linked from; guest.c runs them in this order.
extern const struct shape_list* const shape_lists[];
extern const size_t shape_list_count;

// Not inlined, and not specialised for the one value that it is called with.
#ifdef __clang__
#define SHAPE_FUNCTION static __attribute__((noinline))
#else
#define SHAPE_FUNCTION static __attribute__((noipa))
#endif
// The same for one that other files may call: what it is given, its compiler does not know.
#ifdef __clang__
#define SHAPE_GLOBAL __attribute__((noinline))
#else
#define SHAPE_GLOBAL __attribute__((noipa))
#endif
// Shapes of more than one number take them apart before: packed into one, the code would be about
// that.
#define LOW(input) (int)((input)&0xff)
#define MIDDLE(input) (int)((input) >> 8 & 0xff)
#define HIGH(input) (int)((input) >> 16)

// Data that is set and read elsewhere, for all that the compiler knows.
#define SHAPE_DATA __attribute__((used))

#ifdef __cplusplus
}
#endif

// What clamping means, said in the source: the program that --on-bound clamp has to equal.
#ifdef SHAPES_CLAMPED
#define CLAMP(variable, lower, upper)                                                        \
  do {                                                                                       \
    const long long clamped = (long long)(variable);                                         \
    (variable) = (clamped) < (lower) ? (lower) : (clamped) > (upper) ? (upper) : (variable); \
  } while (0)
#else
#define CLAMP(variable, lower, upper) (void)0
#endif
