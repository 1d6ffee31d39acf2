// SPDX-License-Identifier: Apache-2.0
//
// What a generated program is made of. The program proper is plain C. For the oracle the same text has each index in
// ORACLE_INDEX, which says what the index is, and goes on with one that is within bounds.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct shape {
  const char* name;
  long (*run)(long input);
};
extern const struct shape shapes[];
extern const size_t shape_count;

// The value is anything, for all that the compiler knows.
#define HIDE(variable) __asm__ volatile("" : "+r"(variable))
// What the pointer leads to was read and written.
#define TOUCH(array) __asm__ volatile("" : : "r"(array) : "memory")

#define NOINLINE __attribute__((noinline))
#ifdef __clang__
#define OPAQUE __attribute__((noinline))
#else
#define OPAQUE __attribute__((noipa))
#endif

// The number `site` of the shape, whose index is out of bounds if it is not below `length`.
long long oracle_index(int site, int line, long long index, long long length);
// An explicit trap that is taken.
void oracle_trap(int site, int line, long long index, long long length);
#define ORACLE_INDEX(site, index, length) oracle_index(site, __LINE__, (long long)(index), (long long)(length))
#define ORACLE_TRAP(site, index, length) oracle_trap(site, __LINE__, (long long)(index), (long long)(length))
