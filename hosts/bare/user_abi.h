/* SPDX-License-Identifier: Apache-2.0
 *
 * What user programs and the kernel agree on. 32- and 64-bit programs alike. */
#ifndef KEBOUND_HOSTS_BARE_USER_ABI_H
#define KEBOUND_HOSTS_BARE_USER_ABI_H

#include <stdint.h>

/* INT 0x80: eax the number, arguments in ebx, ecx and edx, the result in eax. */
enum {
  kCallExit,    /* (status) */
  kCallPrint,   /* (text, size): one line */
  kCallMap,     /* (address, size): zeroed pages; 0 or -1 */
  kCallHandler, /* (address): exceptions go there, the stack pointer at a user_context */
  kCallResume,  /* (user_context*) */
};

/* What an exception leaves on the stack of the program. */
struct user_context {
  uint64_t gpr[16]; /* in encoding order */
  uint64_t rip;
  uint64_t rflags;
  uint32_t cs;
  uint32_t ss;
  uint32_t vector;
  uint32_t error;
  uint64_t fault_address; /* of a page fault */
};

#endif
