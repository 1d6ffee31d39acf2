// SPDX-License-Identifier: Apache-2.0
//
// NT's own functions for a program that links libkebound: source that compiles as part of a driver
// compiles against this header, too. A driver includes wdm.h; where that was included, this header
// adds nothing.
//
// On i386 as well, the frame has the layout of x64: Eax is the low half of Rax.
#ifndef KEBOUND_KE_H_
#define KEBOUND_KE_H_

#ifndef KEBOUND_NT_BOUND_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KEBOUND_KE_API __attribute__((visibility("default")))
#define NTAPI

typedef void* PVOID;
typedef int32_t NTSTATUS;
typedef uint64_t ULONG64 __attribute__((aligned(8)));
typedef uint32_t ULONG;
typedef uint16_t USHORT;
typedef uint8_t UCHAR;
typedef uintptr_t ULONG_PTR;

#define STATUS_SUCCESS ((NTSTATUS)0x00000000)
#define STATUS_INVALID_HANDLE ((NTSTATUS)0xC0000008)
#define STATUS_ARRAY_BOUNDS_EXCEEDED ((NTSTATUS)0xC000008C)
#define STATUS_STACK_BUFFER_OVERRUN ((NTSTATUS)0xC0000409)

typedef enum _BOUND_CALLBACK_STATUS {
  BoundExceptionContinueSearch,
  BoundExceptionHandled,
  BoundExceptionError,
  BoundExceptionMaximum
} BOUND_CALLBACK_STATUS,
    *PBOUND_CALLBACK_STATUS;

typedef BOUND_CALLBACK_STATUS(NTAPI BOUND_CALLBACK)(void);
typedef BOUND_CALLBACK* PBOUND_CALLBACK;

// The interrupted thread's registers, at NT's x64 offsets. What lies between them is padding.
typedef struct _KTRAP_FRAME {
  UCHAR Padding000[0x30];
  ULONG64 Rax;
  ULONG64 Rcx;
  ULONG64 Rdx;
  ULONG64 R8;
  ULONG64 R9;
  ULONG64 R10;
  ULONG64 R11;
  UCHAR Padding068[0x140 - 0x68];
  ULONG64 Rbx;
  ULONG64 Rdi;
  ULONG64 Rsi;
  ULONG64 Rbp;
  ULONG64 ErrorCode;
  ULONG64 Rip;
  USHORT SegCs;
  UCHAR Padding172[6];
  ULONG EFlags;
  ULONG Padding17c;
  ULONG64 Rsp;
  USHORT SegSs;
  UCHAR Padding18a[6];
} KTRAP_FRAME, *PKTRAP_FRAME;

// The thread that a callback runs on. Its trap frame is at 0x90.
typedef struct _KTHREAD {
  UCHAR Padding000[0x90];
  PKTRAP_FRAME TrapFrame;
} KTHREAD, *PKTHREAD;

// As kebound_register(), for a routine without arguments that finds the registers in
// KeGetCurrentThread()->TrapFrame. NULL where that returns 0. Context: see there.
KEBOUND_KE_API PVOID NTAPI KeRegisterBoundCallback(PBOUND_CALLBACK CallbackRoutine);

// As kebound_deregister(): STATUS_SUCCESS, or STATUS_INVALID_HANDLE. Context: see there.
KEBOUND_KE_API NTSTATUS NTAPI KeDeregisterBoundCallback(PVOID Handle);

// Ends the process with one record: on standard error, and in the event ring where there is one;
// then SIGABRT, which cannot be caught. Does not return. Context: anywhere.
KEBOUND_KE_API __attribute__((noreturn)) void NTAPI KeBugCheckEx(ULONG BugCheckCode,
                                                                 ULONG_PTR BugCheckParameter1,
                                                                 ULONG_PTR BugCheckParameter2,
                                                                 ULONG_PTR BugCheckParameter3,
                                                                 ULONG_PTR BugCheckParameter4);

#ifdef __x86_64__
// gs:[0x188], which is kebound's while a callback runs. Context: only inside a callback that
// KeRegisterBoundCallback() registered.
static inline PKTHREAD KeGetCurrentThread(void) {
  PKTHREAD thread;
  __asm__ volatile("movq %%gs:0x188, %0" : "=r"(thread));
  return thread;
}
#else
// gs is the C library's here. NULL outside a callback. Context: anywhere.
KEBOUND_KE_API PKTHREAD NTAPI KeGetCurrentThread(void);
#endif

#ifdef __cplusplus
static_assert(offsetof(KTRAP_FRAME, Rax) == 0x30 && offsetof(KTRAP_FRAME, R11) == 0x60, "");
static_assert(offsetof(KTRAP_FRAME, Rbx) == 0x140 && offsetof(KTRAP_FRAME, Rip) == 0x168, "");
static_assert(offsetof(KTRAP_FRAME, SegCs) == 0x170 && offsetof(KTRAP_FRAME, EFlags) == 0x178, "");
static_assert(offsetof(KTRAP_FRAME, Rsp) == 0x180 && offsetof(KTRAP_FRAME, SegSs) == 0x188, "");
static_assert(sizeof(KTRAP_FRAME) == 0x190 && offsetof(KTHREAD, TrapFrame) == 0x90, "");
}
#endif

#endif  // KEBOUND_NT_BOUND_H_
#endif  // KEBOUND_KE_H_
