// SPDX-License-Identifier: Apache-2.0
#include "shapes.h"

#define SHAPE static __attribute__((noinline)) long
#define HIDE(x) __asm__ volatile("" : "+r"(x))
// The content of arrays that compilers must not know.
#define UNKNOWN(a) __asm__ volatile("" : : "r"(&(a)) : "memory")

// What lies behind an array is the same in all builds.
static struct {
  int table[10], behind_table;
  int sixteen[16], behind_sixteen;
  int matrix[5][9], behind_matrix[9];
} arrays;
#define table arrays.table
#define sixteen arrays.sixteen
#define matrix arrays.matrix
static char bytes[16] = "0123456789abcde";
static short halves[7] = {7, 6, 5, 4, 3, 2, 1};
static long long wide[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
static double reals[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
static struct Record {
  int a;
  char text[20];
  int list[6];
  struct { short x, y, z; } points[4];
  int last;
} record, records[8];
static int one[1] = {77};
static int large[300];
static unsigned char permutation[256];
static int cursor;
static volatile int cursor_volatile;

static void fill_arrays(void) {
  for (int i = 0; i < 5; ++i)
    for (int j = 0; j < 9; ++j) matrix[i][j] = i * 100 + j;
  for (int i = 0; i < 20; ++i) record.text[i] = (char)('a' + i);
  for (int i = 0; i < 6; ++i) record.list[i] = 60 + i;
  for (int i = 0; i < 4; ++i) record.points[i].x = record.points[i].y = record.points[i].z = (short)(8 + i);
  for (int i = 0; i < 8; ++i) records[i] = record, records[i].a = i * 7;
  for (int i = 0; i < 300; ++i) large[i] = i * i;
  for (int i = 0; i < 256; ++i) permutation[i] = (unsigned char)(i * 7 + 3);
  for (int i = 0; i < 16; ++i) sixteen[i] = i * 3 + 1;
  for (int i = 0; i < 10; ++i) table[i] = i * 11 + 2;
  cursor = 0;
  UNKNOWN(table); UNKNOWN(bytes); UNKNOWN(halves); UNKNOWN(wide); UNKNOWN(reals); UNKNOWN(one);
  UNKNOWN(matrix); UNKNOWN(record); UNKNOWN(records); UNKNOWN(sixteen); UNKNOWN(large); UNKNOWN(permutation);
}

SHAPE read_int(int i, int j) { int k = i; (void)j; return ATV(table, k); }
SHAPE read_long_index(int i, int j) { long k = i; HIDE(k); (void)j; return ATV(table, k); }
SHAPE read_unsigned(int i, int j) { unsigned k = (unsigned)i; (void)j; return AT(table, k); }
SHAPE read_uchar_index(int i, int j) { unsigned char k = (unsigned char)i; (void)j; return ATV(large, k) + AT(table, k); }
SHAPE read_short_index(int i, int j) { short k = (short)i; (void)j; return ATV(table, k); }
SHAPE read_schar_index(int i, int j) { signed char k = (signed char)i; (void)j; return ATV(table, k); }
SHAPE read_char(int i, int j) { int k = i; (void)j; return ATV(bytes, k); }
SHAPE read_short(int i, int j) { int k = i; (void)j; return ATV(halves, k); }
SHAPE read_wide(int i, int j) { int k = i; (void)j; return (long)ATV(wide, k); }
SHAPE read_real(int i, int j) { int k = i; (void)j; return (long)ATV(reals, k); }
SHAPE read_one(int i, int j) { int k = i; (void)j; return AT(one, k); }
SHAPE read_sixteen(int i, int j) { int k = i; (void)j; return ATV(sixteen, k); }
SHAPE write_int(int i, int j) { int k = i; ATV(table, k) = j; return table[9] + table[0]; }
SHAPE write_index(int i, int j) { int k = i; (void)j; STORE(table, k, k); return table[9] * 3 + table[0]; }
SHAPE increment(int i, int j) { int k = i; ATV(table, k) += j; return table[9] + table[0] * 2; }
SHAPE two_dimensions(int i, int j) { int k = i, l = j; return AT(ROW(matrix, k), l); }
SHAPE member(int i, int j) { int k = i; struct Record* r = &record; (void)j; HIDE(r); return ATV(r->list, k); }
SHAPE member_text(int i, int j) { int k = i; struct Record* r = &record; (void)j; HIDE(r); return ATV(r->text, k); }
SHAPE member_points(int i, int j) { int k = i; (void)j; return AT(record.points, k).y; }
SHAPE array_of_structures(int i, int j) { int k = i; int l = j; return AT(AT(records, k).list, l) + records[1].a; }
SHAPE plus_constant(int i, int j) { int k = i; (void)j; return AT(table, k + 3); }
SHAPE minus_constant(int i, int j) { int k = i; (void)j; return AT(table, k - 1); }
SHAPE plus_variable(int i, int j) { int k = i, l = j; return AT(table, k + l); }
SHAPE twice(int i, int j) { int k = i; (void)j; return AT(sixteen, 2 * k); }
SHAPE shifted(int i, int j) { unsigned k = (unsigned)i; (void)j; return AT(table, k >> 2); }
SHAPE masked(int i, int j) { unsigned k = (unsigned)i; (void)j; return AT(table, k & 15); }
SHAPE uchar_plus(int i, int j) { unsigned char k = (unsigned char)i; (void)j; return AT(table, k + 3); }
SHAPE uchar_twice(int i, int j) { unsigned char k = (unsigned char)i; (void)j; return AT(table, 2 * k); }
SHAPE masked_plus(int i, int j) { unsigned k = (unsigned)i & 7; (void)j; return AT(table, k + 5); }
SHAPE masked_twice(int i, int j) { unsigned k = (unsigned)i & 15; (void)j; return AT(sixteen, k * 2); }
SHAPE tested_plus(int i, int j) { int k = i; (void)j; if (k < 0) return 5; return AT(table, k + 3); }
SHAPE tested_twice(int i, int j) { int k = i; (void)j; if (k < 0 || k > 1000) return 5; return AT(table, k * 2); }
SHAPE limited_plus(int i, int j) { unsigned k = (unsigned)i; (void)j; if (k > 1000) return 5; return AT(table, k + 3); }
SHAPE limited_twice(int i, int j) { unsigned k = (unsigned)i; (void)j; if (k > 1000) return 5; return AT(table, k * 2); }
SHAPE offset_loop(int i, int j) { long s = 0; (void)j; for (int k = 0; k < i && k < 50; ++k) { s += AT(table, k + 3); UNKNOWN(table); } return s; }
SHAPE doubling_loop(int i, int j) { long s = 0; (void)j; for (int k = 0; k < i && k < 50; ++k) { s += AT(table, k * 2); UNKNOWN(table); } return s; }
SHAPE long_offset_loop(int i, int j) { long s = 0; (void)j; for (int k = 0; k < i && k < 400; ++k) { s += AT(large, k + 3); UNKNOWN(large); } return s; }
SHAPE long_doubling_loop(int i, int j) { long s = 0; (void)j; for (int k = 0; k < i && k < 400; ++k) { s += AT(large, k * 2); UNKNOWN(large); } return s; }
SHAPE from_offset_loop(int i, int j) { long s = 0; for (int k = j; k < i && k < 400; ++k) { s += AT(large, k - 2); UNKNOWN(large); } return s; }
SHAPE long_limited_plus(int i, int j) { unsigned long k = (unsigned long)(long)i; HIDE(k); (void)j; if (k > 1000) return 5; return AT(table, k + 3); }
SHAPE long_limited_twice(int i, int j) { unsigned long k = (unsigned long)(long)i; HIDE(k); (void)j; if (k > 1000) return 5; return AT(table, k * 2); }
SHAPE checked_then_plus(int i, int j) { int k = i; long v = ATV(table, k); (void)j; UNKNOWN(table); return v + AT(sixteen, k + 9); }
SHAPE divided(int i, int j) { unsigned k = (unsigned)i; (void)j; return AT(table, k / 3); }
SHAPE remainder_index(int i, int j) { unsigned k = (unsigned)i; (void)j; return AT(table, k % 13); }
SHAPE ushort_minus(int i, int j) { unsigned short k = (unsigned short)i; (void)j; return AT(table, k - 2); }
SHAPE on_stack(int i, int j) {
  int local[6];
  int k = i;
  for (int n = 0; n < 6; ++n) local[n] = n * 3 + j;
  UNKNOWN(local);
  return ATV(local, k);
}
SHAPE on_stack_write(int i, int j) {
  int local[6] = {0};
  int k = i;
  UNKNOWN(local);
  ATV(local, k) = j;
  UNKNOWN(local);
  return local[0] + 2 * local[5];
}
SHAPE chars_on_stack(int i, int j) {
  char local[24];
  int k = i;
  for (int n = 0; n < 24; ++n) local[n] = (char)(n + j);
  UNKNOWN(local);
  return ATV(local, k);
}
SHAPE variable_length(int i, int j) {
  int n = 4 + (int)(j & 3);
  int local[n];
  int k = i;
  for (int m = 0; m < n; ++m) local[m] = m * m;
  UNKNOWN(local);
  return AT(local, k);
}
SHAPE pointer_to_array(int i, int j) { int (*p)[10] = &table; int k = i; (void)j; HIDE(p); return ATV(*p, k); }
SHAPE from_memory(int i, int j) { (void)j; cursor = i; UNKNOWN(cursor); return ATV(table, cursor); }
SHAPE from_structure(int i, int j) { struct Record* r = &record; (void)j; HIDE(r); r->a = i; UNKNOWN(*r); return AT(table, r->a) + (r->a == 4711); }
SHAPE from_array(int i, int j) { int k = (int)(i & 255); (void)j; return AT(table, AT(permutation, k)); }
SHAPE merged(int i, int j) { int k = i, l = j; return AT(table, k) + AT(halves, l) * AT(table, l) + AT(sixteen, k); }
SHAPE twice_used(int i, int j) { int k = i; ATV(table, k) = j; return ATV(table, k) * 2 + ATV(sixteen, k); }
SHAPE used_as_number(int i, int j) { int k = i; long v = ATV(table, k); (void)j; return v * 1000 + k; }
SHAPE used_in_condition(int i, int j) { int k = i; long v = ATV(table, k); if (k > 12) v += j; return v; }
SHAPE used_again_later(int i, int j) { int k = i; long v = ATV(table, k); UNKNOWN(table); v += ATV(sixteen, k); UNKNOWN(table); if (j) v += ATV(table, k) * 3; return v; }
SHAPE sum_loop(int i, int j) { long s = 0; (void)j; for (int k = 0; k < i; ++k) { s += AT(table, k); if (k > 40) break; } return s; }
SHAPE write_loop(int i, int j) { int n = i; if (n > 40) n = 40; for (int k = 0; k <= n; ++k) AT(table, k) = j + k; return table[3] + table[9]; }
SHAPE down_loop(int i, int j) { long s = 0; int n = j; if (n > 9) n = 9; for (int k = n; k >= i && k > -20; --k) s += AT(table, k); return s; }
SHAPE search_loop(int i, int j) { int k = 0; (void)j; while (AT(table, k) != i && k < 30) ++k; return k; }
SHAPE strided_loop(int i, int j) { long s = 0; (void)j; for (int k = 0; k < i && k < 50; k += 2) s += AT(large, k * 10); return s; }
SHAPE copy_loop(int i, int j) { char out[12] = {0}; int n = 0; (void)j; for (int k = 0; k < i && k < 15; ++k) { AT(out, n) = bytes[k]; ++n; } UNKNOWN(out); return out[0] + n; }
SHAPE invariant_in_loop(int i, int j) { long s = 0; int k = i; for (int n = 0; n < (int)(j & 7); ++n) { s += ATV(table, k) * n; UNKNOWN(table); } return s; }
SHAPE histogram(int i, int j) { int counts[8] = {0}; for (int n = 0; n < 4; ++n) AT(counts, (i >> n) & 15) += 1; UNKNOWN(counts); (void)j; return counts[0] + 2 * counts[7] + 3 * counts[1]; }
SHAPE hash_probe(int i, int j) { unsigned h = (unsigned)i; (void)j; for (int n = 0; n < 3; ++n) { if (AT(sixteen, h % 20) == 4711) break; h = h * 5 + 1; } return (long)(h & 1); }
static __attribute__((noinline)) long use_pointer(int* p) { return *p + 1; }
SHAPE address_passed(int i, int j) { int k = i; (void)j; return use_pointer(&END(table, k)); }
static __attribute__((noinline)) long use_number(int v, int w) { return v * 5L + w; }
SHAPE call_argument(int i, int j) { int k = i; return use_number(ATV(table, k), j); }
SHAPE call_between(int i, int j) { int k = i; long v = ATV(table, k); v += use_number(j, 1); v += ATV(halves, k); return v; }
SHAPE index_of_call(int i, int j) { return AT(table, use_number(i, 0) / 5) + j; }
SHAPE in_switch(int i, int j) {
  int k = i;
  switch (j & 7) {
    case 0: return AT(table, k);
    case 1: return AT(halves, k) + 1;
    case 2: return AT(sixteen, k) + 2;
    case 3: table[2] = 9; /* fall through */
    case 4: return AT(bytes, k) + 3;
    case 5: return AT(record.list, k) + 4;
    default: return k;
  }
}
SHAPE after_test(int i, int j) { int k = i; (void)j; if (k < 0) return -1; return ATV(table, k); }
SHAPE after_upper_test(int i, int j) { int k = i; (void)j; if (k > 9) return -1; return AT(table, k); }
SHAPE conditional(int i, int j) { int k = i, l = j; int* p = k < l ? &END(table, k) : &END(sixteen, l); return *p; }
SHAPE selected(int i, int j) { int k = i; return AT(table, (j & 1) ? k : 2); }
SHAPE truth(int i, int j) { int k = i > 9; (void)j; return AT(one, k); }
SHAPE shorted(int i, int j) { int k = i; return (j & 1) && AT(table, k) > 3 ? 1 : 2; }
SHAPE compound(int i, int j) { int k = i; AT(table, k) ^= j; AT(table, k) <<= 1; return table[0] + table[9]; }
SHAPE long_long_index(int i, int j) { long long k = i; (void)j; return AT(table, k); }
SHAPE volatile_index(int i, int j) { cursor_volatile = i; (void)j; return table[2] + AT(table, cursor_volatile); }
SHAPE many(int i, int j) {
  int k = i, l = j, m = k, o = l, p = k + l;
  HIDE(m);
  HIDE(o);
  HIDE(p);
  long s = AT(table, k);
  s += AT(sixteen, l);
  if (s & 1) {
    s += AT(halves, o);
    s -= AT(bytes, p);
    HIDE(p);
  }
  for (int n = 0; n < 3; ++n) {
    int q = p;
    HIDE(q);
    s += AT(large, q) * AT(ROW(matrix, n), n);
  }
  HIDE(o);
  s += AT(record.list, o);
  HIDE(m);
  s += AT(records, m).a;
  return s;
}
SHAPE two_indices_compared(int i, int j) { int k = i, l = j; if (AT(table, k) > AT(table, l)) { int t = AT(table, k); AT(table, k) = AT(table, l); AT(table, l) = t; } return table[0] + 3 * table[9]; }
SHAPE bubble(int i, int j) { int n = i; (void)j; if (n > 14) n = 14; for (int k = 0; k < n - 1; ++k) if (AT(table, k) < AT(table, k + 1)) { int t = AT(table, k); AT(table, k) = AT(table, k + 1); AT(table, k + 1) = t; } return table[0]; }

#if defined(REFERENCE)
#if defined(CLAMP_VARIABLE)
#define SHAPES shapes_reference_variable
#else
#define SHAPES shapes_reference
#endif
#else
#define SHAPES shapes_checked
#endif

#if defined(REFERENCE) && defined(CLAMP_VARIABLE)
#define FILL fill_reference_variable
#elif defined(REFERENCE)
#define FILL fill_reference
#else
#define FILL fill_checked
#endif
void FILL(void);
void FILL(void) { fill_arrays(); }

#define E(name) {#name, name}
extern const Shape SHAPES[];
const Shape SHAPES[] = {
    E(read_int), E(read_long_index), E(read_unsigned), E(read_uchar_index), E(read_short_index), E(read_schar_index),
    E(read_char), E(read_short), E(read_wide), E(read_real), E(read_one), E(read_sixteen),
    E(write_int), E(write_index), E(increment), E(two_dimensions), E(member), E(member_text),
    E(member_points), E(array_of_structures), E(plus_constant), E(minus_constant), E(plus_variable),
    E(twice), E(shifted), E(masked), E(uchar_plus), E(uchar_twice), E(masked_plus), E(masked_twice), E(tested_plus), E(tested_twice), E(limited_plus), E(limited_twice), E(offset_loop), E(doubling_loop), E(ushort_minus), E(long_offset_loop), E(long_doubling_loop), E(from_offset_loop), E(long_limited_plus), E(long_limited_twice), E(checked_then_plus), E(divided), E(remainder_index), E(on_stack), E(on_stack_write),
    E(chars_on_stack), E(variable_length), E(pointer_to_array), E(from_memory), E(from_structure),
    E(from_array), E(merged), E(twice_used), E(used_as_number), E(used_in_condition),
    E(used_again_later), E(sum_loop), E(write_loop), E(down_loop), E(search_loop), E(strided_loop),
    E(copy_loop), E(invariant_in_loop), E(histogram), E(hash_probe), E(address_passed),
    E(call_argument), E(call_between), E(index_of_call), E(in_switch), E(after_test),
    E(after_upper_test), E(conditional), E(selected), E(truth), E(shorted), E(compound),
    E(long_long_index), E(volatile_index), E(many), E(two_indices_compared), E(bubble), {0, 0}};
