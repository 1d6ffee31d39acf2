// SPDX-License-Identifier: Apache-2.0
//
// The three checks of MPX, failing once each in 64-bit code. Argument 0: somebody steps over them.
// 1: the program's own handler gets them.
#include <cpuid.h>

#include "user.h"

static unsigned taken;
extern const char site_bndcl[], site_bndcu[], site_bndcn[];

void on_exception(struct user_context* context) {
  const uintptr_t at = context->rip;
  const int at_site = at == (uintptr_t)site_bndcl || at == (uintptr_t)site_bndcu || at == (uintptr_t)site_bndcn;
  say(context->vector == 5 && at_site, "a check of MPX with its handler", context->vector);
  ++taken;
  context->rip += 4;
}

// Nothing but XRSTOR can switch MPX on in user mode.
static int enable_mpx(void) {
  static uint8_t area[4096] __attribute__((aligned(64)));
  const uint64_t components = 0x18;
  const uint64_t configuration = 1;  // BNDCFGU: enabled
  unsigned a, b, c, d;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & 1u << 14)) return 0;
  if (!__get_cpuid_count(0xd, 4, &a, &b, &c, &d) || a == 0 || b + 8 > sizeof area) return 0;
  __builtin_memcpy(area + 512, &components, 8);
  __builtin_memcpy(area + b, &configuration, 8);
  __asm__ volatile("xrstor64 %0" : : "m"(area), "a"(0x18), "d"(0) : "memory");
  return 1;
}

static char object[64];

unsigned program_main(unsigned argument) {
  catch_exceptions();
  if (!enable_mpx()) return 0;
  char* const below = object - 1;
  char* const above = object + 64;
  // bnd0 = [object, object + 63], in the same breath: a branch resets the bound registers. All checks
  // are of four bytes, so that the handler can step over them, and without a displacement, which
  // QEMU 7.2 reads twice.
  __asm__ volatile("bndmk 63(%0), %%bnd0\nbndcl %0, %%bnd0\nbndcu %1, %%bnd0" : : "a"(object), "d"(object + 63));
  __asm__ volatile("bndmk 63(%0), %%bnd0\nsite_bndcl: bndcl %1, %%bnd0" : : "a"(object), "d"(below));
  __asm__ volatile("bndmk 63(%0), %%bnd0\nsite_bndcu: bndcu %1, %%bnd0" : : "a"(object), "d"(above));
  // bndcn takes the upper bound as it is stored, complemented: 100 here.
  __asm__ volatile("bndmk (%0), %%bnd0\nsite_bndcn: bndcn %1, %%bnd0" : : "a"(-101l), "d"(above));
  say(taken == 3 * argument, "checks of MPX that came to the program", taken);
  return (unsigned)(uintptr_t)object;
}
