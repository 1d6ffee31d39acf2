// SPDX-License-Identifier: Apache-2.0
//
// What looks like a bound exception and is none, in 32- or in 64-bit code: each comes with the vector
// that it has, and where it has an error code, that. Returns how many there were.
#include "user.h"

static struct user_context seen;
static unsigned exceptions;
static uintptr_t behind;
static unsigned tried;

void on_exception(struct user_context* context) {
  seen = *context;
  ++exceptions;
  context->rip = behind;
}

// An INT that is not for user mode: QEMU 7.2 gives 16 for each vector in the error code, a processor 8.
static void take_processors_error(unsigned vector) {
  if (seen.error == vector * 16 + 2) seen.error = vector * 8 + 2;
}

static void judge(const char* words, const char* site, unsigned vector, unsigned error) {
  ++tried;
  if (error == 0x2a || error == 0x32) take_processors_error(error / 8);
  const int came = vector == 0 ? exceptions == 0
                               : exceptions == 1 && seen.vector == vector && seen.error == error &&
                                     seen.rip == (uintptr_t)site;
  say(came, words, exceptions == 0 ? 0 : seen.vector);
  if (!came) say(0, "with the error code", seen.error);
  exceptions = 0;
}

#ifdef __x86_64__
#define TAKE_ADDRESS "movabsq $9f, %%rax\n\tmovq %%rax, %0\n\t"
#else
#define TAKE_ADDRESS "movl $9f, %%eax\n\tmovl %%eax, %0\n\t"
#endif
// `vector` 0: none at all.
#define NEAR(label, words, vector, error, instruction)                                         \
  do {                                                                                         \
    extern const char label[];                                                                 \
    __asm__ volatile(TAKE_ADDRESS ".globl " #label "\n" #label ":\n\t" instruction "\n9:"       \
                     : "=m"(behind)                                                            \
                     :                                                                         \
                     : "eax", "ecx", "edx", "memory", "cc");                                   \
    judge(words, label, vector, error);                                                        \
  } while (0)

const int32_t near_limits[2] = {0, 9};

static void of_both(void) {
  NEAR(near_ud2, "ud2", 6, 0, "ud2");
  NEAR(near_ud1_overflow, "ud1 of another check of clang's", 6, 0, ".byte 0x67, 0x0f, 0xb9, 0x40, 0x00");
  NEAR(near_ud1_cx, "ud1 with another register", 6, 0, ".byte 0x0f, 0xb9, 0xc9");
  NEAR(near_int5, "int $5", 13, 0x2a, "int $5");
  NEAR(near_int6, "int $6", 13, 0x32, "int $6");
  NEAR(near_hlt, "hlt", 13, 0, "hlt");
  NEAR(near_null, "a read of address 0", 14, 4, "movl 0, %%ecx");
  NEAR(near_register_form, "62 with a register operand", 6, 0, ".byte 0x62, 0xc0, 0, 0, 0, 0");
}

unsigned program_main(unsigned argument) {
  (void)argument;
  catch_exceptions();
  of_both();
#ifdef __x86_64__
  NEAR(near_62_memory, "62 in 64-bit code", 6, 0, ".byte 0x62, 0x02, 0, 0, 0, 0");
#else
  NEAR(near_in_range, "BOUND in range", 0, 0, "movl $5, %%ecx\n\tboundl %%ecx, near_limits");
  NEAR(near_lowest, "BOUND at its lower limit", 0, 0, "xorl %%ecx, %%ecx\n\tboundl %%ecx, near_limits");
  NEAR(near_highest, "BOUND at its upper limit", 0, 0, "movl $9, %%ecx\n\tboundl %%ecx, near_limits");
  NEAR(near_unmapped, "BOUND without memory", 14, 4, "boundl %%ecx, 0x3fff0000");
  NEAR(near_kernel, "BOUND above all memory", 14, 4, "boundl %%ecx, 0x80100000");
#endif
  return tried;
}
