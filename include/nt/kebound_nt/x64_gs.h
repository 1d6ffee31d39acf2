// SPDX-License-Identifier: Apache-2.0
//
// Where gs is the processor control region's: on NT, and in processes that run drivers.
#ifndef KEBOUND_NT_X64_GS_H_
#define KEBOUND_NT_X64_GS_H_

#include "types.h"

KEBOUND_NT_BEGIN

// Reads (writes) gs:[Offset]. Any IRQL. Context: an NT thread.
FORCEINLINE unsigned long long __readgsqword(unsigned long long Offset) {
  unsigned long long value;
  __asm__ volatile("movq %%gs:%a1, %0" : "=r"(value) : "p"(Offset) : "memory");
  return value;
}
FORCEINLINE unsigned int __readgsdword(unsigned long long Offset) {
  unsigned int value;
  __asm__ volatile("movl %%gs:%a1, %0" : "=r"(value) : "p"(Offset) : "memory");
  return value;
}
FORCEINLINE unsigned char __readgsbyte(unsigned long long Offset) {
  unsigned char value;
  __asm__ volatile("movb %%gs:%a1, %0" : "=q"(value) : "p"(Offset) : "memory");
  return value;
}

// The running thread: gs:[0x188]. Any IRQL; never NULL. Context: an NT thread.
FORCEINLINE PKTHREAD KeGetCurrentThread(VOID) { return (PKTHREAD)__readgsqword(0x188); }
// The processor control region of the running thread. Any IRQL.
FORCEINLINE PKPCR KeGetPcr(VOID) { return (PKPCR)__readgsqword(0x18); }

KEBOUND_NT_END

#endif  // KEBOUND_NT_X64_GS_H_
