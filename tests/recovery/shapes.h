// SPDX-License-Identifier: Apache-2.0
//
// Ways of indexing, compiled twice: with a compiler's bounds checks, and as the same program that
// notes and clamps an index outside of its array at the source. See harness.cc.
#pragma once

#include <stddef.h>

typedef struct Shape {
  const char* name;
  long (*run)(int i, int j);
} Shape;

#ifdef __cplusplus
extern "C" {
#endif
// In a reference build: an access outside of an array of `length` elements. Returns the index that
// is accessed instead.
long note_outside(long index, long length);
#ifdef __cplusplus
}
#endif

// AT: an access to a[i]. ATV: i is a variable. END: its address is taken, which may be that of the
// end. ROW: an array in an array, of which clang takes the address.
#if defined(REFERENCE)
#define LENGTH(a) ((long)(sizeof(a) / sizeof((a)[0])))
#define CLAMPED(i, length)                                                \
  ((long)(i) < 0 || (long)(i) >= (length) ? note_outside((long)(i), (length)) : (long)(i))
#define AT(a, i) (a)[CLAMPED(i, LENGTH(a))]
#define END(a, i) (a)[CLAMPED(i, LENGTH(a) + 1)]
#if defined(ROWS_HAVE_ENDS)
#define ROW(a, i) END(a, i)
#else
#define ROW(a, i) AT(a, i)
#endif
// With CLAMP_VARIABLE the variable itself is corrected.
#if defined(CLAMP_VARIABLE)
#define ATV(a, i) (a)[(i) = CLAMPED(i, LENGTH(a))]
#define STORE(a, i, v) ((i) = CLAMPED(i, LENGTH(a)), (a)[i] = (v))
#else
#define ATV(a, i) AT(a, i)
#define STORE(a, i, v) AT(a, i) = (v)
#endif
#else
#define AT(a, i) (a)[i]
#define ATV(a, i) (a)[i]
#define END(a, i) (a)[i]
#define ROW(a, i) (a)[i]
#define STORE(a, i, v) AT(a, i) = (v)
#endif
