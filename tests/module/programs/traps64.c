// SPDX-License-Identifier: Apache-2.0
//
// traps64 WHAT step|signal: one failed check of 64-bit code. WHAT: bndcl, bndcu, bndcn (MPX), ud1 (clang's
// array bounds), ud1-overflow (another kind), ud2. step: somebody steps over it. signal: prints the signal.
#include <cpuid.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>

static sigjmp_buf behind;
extern const char site_bndcl[], site_bndcu[], site_bndcn[], site_ud1[], site_overflow[], site_ud2[];

static void on_signal(int number, siginfo_t* info, void* opaque) {
  const greg_t* const r = ((ucontext_t*)opaque)->uc_mcontext.gregs;
  const uintptr_t ip = (uintptr_t)r[REG_RIP];
  const char* where = "elsewhere";
  const char* const sites[] = {site_bndcl, site_bndcu, site_bndcn, site_ud1, site_overflow, site_ud2};
  for (unsigned i = 0; i < sizeof sites / sizeof *sites; ++i)
    if (ip == (uintptr_t)sites[i]) where = "site";
  printf("signal %d code %d address %s trap %d error %d at %s\n", number, info->si_code,
         (uintptr_t)info->si_addr == ip ? "ip" : info->si_addr == NULL ? "0" : "other",
         (int)r[REG_TRAPNO], (int)r[REG_ERR], where);
  siglongjmp(behind, 1);
}

// Nothing but XRSTOR can switch MPX on in user mode.
static int enable_mpx(void) {
  static uint8_t area[8192] __attribute__((aligned(64)));
  unsigned a, b, c, d;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & 1u << 14)) return 0;
  if (!__get_cpuid_count(0xd, 4, &a, &b, &c, &d) || a == 0) return 0;
  memset(area, 0, sizeof area);
  const uint64_t components = 0x18;
  const uint64_t configuration = 1;  // BNDCFGU: enabled
  memcpy(area + 512, &components, 8);
  memcpy(area + b, &configuration, 8);
  __asm__ volatile("xrstor64 %0" : : "m"(area), "a"(0x18), "d"(0) : "memory");
  return 1;
}

static char object[64];

static void fail_check(const char* what) {
  char* const below = object - 1;
  char* const above = object + 64;
  // bnd0 = [object, object + 63], in the same breath: a branch resets the bound registers.
#define CHECK(label, instruction) "bndmk 63(%0), %%bnd0\n" label ": " instruction ", %%bnd0"
  if (strcmp(what, "bndcl") == 0)
    __asm__ volatile(CHECK("site_bndcl", "bndcl %1") : : "r"(object), "r"(below));
  if (strcmp(what, "bndcu") == 0)
    __asm__ volatile(CHECK("site_bndcu", "bndcu (%1)") : : "r"(object), "r"(above));
  // bndcn takes the upper bound as it is stored, complemented: 100 here.
  if (strcmp(what, "bndcn") == 0)
    __asm__ volatile("bndmk (%0), %%bnd0\nsite_bndcn: bndcn 8(%1), %%bnd0" : : "r"(-101l), "r"(above));
  if (strcmp(what, "ud1") == 0) __asm__ volatile("site_ud1: .byte 0x67, 0x0f, 0xb9, 0x40, 0x12");
  if (strcmp(what, "ud1-overflow") == 0)
    __asm__ volatile("site_overflow: .byte 0x67, 0x0f, 0xb9, 0x40, 0x00");
  if (strcmp(what, "ud2") == 0) __asm__ volatile("site_ud2: ud2");
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
  sigaction(SIGSEGV, &action, NULL);
  sigaction(SIGILL, &action, NULL);
  if (argv[1][0] == 'b' && !enable_mpx()) {
    puts("this processor has no MPX");
    return 3;
  }
  if (sigsetjmp(behind, 1) == 0) {
    fail_check(argv[1]);
    puts("stepped over");
  }
  return 0;
}
