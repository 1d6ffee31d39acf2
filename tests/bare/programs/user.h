/* SPDX-License-Identifier: Apache-2.0
 *
 * A program of the kernel of hosts/bare: it begins in program_main(), with the number that it was started with. */
#ifndef KEBOUND_TESTS_BARE_PROGRAMS_USER_H
#define KEBOUND_TESTS_BARE_PROGRAMS_USER_H

#include <stddef.h>
#include <stdint.h>

#include "hosts/bare/user_abi.h"

unsigned program_main(unsigned argument);
/* Gets the program's exceptions, after catch_exceptions(); may edit them. */
void on_exception(struct user_context* context);
void exception_entry(void);

#ifdef __x86_64__
__asm__(
    ".text\n.globl _start, exception_entry\n.type _start, @function\n_start:\n"
    "  movl %eax, %edi\n  call program_main\n  movl %eax, %ebx\n  xorl %eax, %eax\n  int $0x80\n"
    ".type exception_entry, @function\nexception_entry:\n"
    "  movq %rsp, %rbx\n  movq %rsp, %rdi\n  call on_exception\n  movl $4, %eax\n  int $0x80\n");
#else
__asm__(
    ".text\n.globl _start, exception_entry\n.type _start, @function\n_start:\n"
    "  pushl %eax\n  call program_main\n  movl %eax, %ebx\n  xorl %eax, %eax\n  int $0x80\n"
    ".type exception_entry, @function\nexception_entry:\n"
    "  movl %esp, %ebx\n  pushl %esp\n  call on_exception\n  movl $4, %eax\n  int $0x80\n");
#endif
_Static_assert(kCallExit == 0 && kCallResume == 4, "the numbers in the assembly above");

static inline long call_kernel(long number, long first, long second) {
  long result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(first), "c"(second) : "memory");
  return result;
}

static inline void catch_exceptions(void) { call_kernel(kCallHandler, (long)exception_entry, 0); }
static inline void* map_memory(uintptr_t address, size_t size) {
  return call_kernel(kCallMap, (long)address, (long)size) == 0 ? (void*)address : NULL;
}

/* The compiler calls these by itself. */
__attribute__((weak)) void* memcpy(void* to, const void* from, size_t size) {
  void* const result = to;
  __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
  return result;
}
__attribute__((weak)) void* memset(void* to, int byte, size_t size) {
  void* const result = to;
  __asm__ volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(byte) : "memory");
  return result;
}

/* "@check ok WORDS: NUMBER" */
static inline void say(int holds, const char* words, unsigned number) {
  char line[160];
  char digits[10];
  size_t at = 0;
  unsigned count = 0;
  for (const char* p = holds ? "@check ok " : "@check FAILED "; *p != 0; ++p) line[at++] = *p;
  for (const char* p = words; *p != 0 && at < 140; ++p) line[at++] = *p;
  line[at++] = ':';
  line[at++] = ' ';
  do {
    digits[count++] = (char)('0' + number % 10);
    number /= 10;
  } while (number != 0);
  while (count != 0) line[at++] = digits[--count];
  call_kernel(kCallPrint, (long)line, (long)at);
}

#endif
