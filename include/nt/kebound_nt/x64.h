// SPDX-License-Identifier: Apache-2.0
//
// The x64 structures that a bound callback reaches its user's registers through:
// KeGetCurrentThread() -> KTHREAD.TrapFrame (offset 0x90) -> KTRAP_FRAME. Members without a use
// here are padding.
#ifndef KEBOUND_NT_X64_H_
#define KEBOUND_NT_X64_H_

#include "dispatcher.h"

KEBOUND_NT_BEGIN

typedef struct _M128A {
  ULONGLONG Low;
  LONGLONG High;
} DECLSPEC_ALIGN(16) M128A, *PM128A;

// The user's registers at a trap. Rbx, Rbp, Rsi and Rdi are valid in bound callbacks; R12..R15 are
// not part of it.
typedef struct _KTRAP_FRAME {
  ULONG64 P1Home;
  ULONG64 P2Home;
  ULONG64 P3Home;
  ULONG64 P4Home;
  ULONG64 P5;
  KPROCESSOR_MODE PreviousMode;
  KIRQL PreviousIrql;
  UCHAR FaultIndicator;
  UCHAR ExceptionActive;
  ULONG MxCsr;
  ULONG64 Rax;
  ULONG64 Rcx;
  ULONG64 Rdx;
  ULONG64 R8;
  ULONG64 R9;
  ULONG64 R10;
  ULONG64 R11;
  union {
    ULONG64 GsBase;
    ULONG64 GsSwap;
  };
  M128A Xmm0;
  M128A Xmm1;
  M128A Xmm2;
  M128A Xmm3;
  M128A Xmm4;
  M128A Xmm5;
  union {
    ULONG64 FaultAddress;
    ULONG64 ContextRecord;
  };
  ULONG64 Dr0;
  ULONG64 Dr1;
  ULONG64 Dr2;
  ULONG64 Dr3;
  ULONG64 Dr6;
  ULONG64 Dr7;
  ULONG64 DebugControl;
  ULONG64 LastBranchToRip;
  ULONG64 LastBranchFromRip;
  ULONG64 LastExceptionToRip;
  ULONG64 LastExceptionFromRip;
  USHORT SegDs;
  USHORT SegEs;
  USHORT SegFs;
  USHORT SegGs;
  ULONG64 TrapFrame;
  ULONG64 Rbx;
  ULONG64 Rdi;
  ULONG64 Rsi;
  ULONG64 Rbp;
  union {
    ULONG64 ErrorCode;
    ULONG64 ExceptionFrame;
  };
  ULONG64 Rip;
  USHORT SegCs;
  UCHAR Fill0;
  UCHAR Logging;
  USHORT Fill1[2];
  ULONG EFlags;
  ULONG Fill2;
  ULONG64 Rsp;
  USHORT SegSs;
  USHORT Fill3;
  ULONG Fill4;
} KTRAP_FRAME, *PKTRAP_FRAME;

// A thread. Opaque but for what drivers of this kind reach into.
typedef struct _KTHREAD {
  DISPATCHER_HEADER Header;
  UCHAR Reserved018[0x90 - 0x18];
  PKTRAP_FRAME TrapFrame;
  UCHAR Reserved098[0x1e4 - 0x98];
  union {
    struct {
      SHORT KernelApcDisable;   // negative inside critical regions
      SHORT SpecialApcDisable;  // negative inside guarded regions
    };
    ULONG CombinedApcDisable;
  };
  UCHAR Reserved1e8[0x220 - 0x1e8];
  PKPROCESS Process;
  UCHAR Reserved228[0x232 - 0x228];
  CHAR PreviousMode;
  UCHAR Reserved233[0x430 - 0x233];
} KTHREAD;

typedef struct _KPRCB {
  ULONG MxCsr;
  UCHAR LegacyNumber;
  UCHAR ReservedMustBeZero;
  BOOLEAN InterruptRequest;
  BOOLEAN IdleHalt;
  PKTHREAD CurrentThread;
  PKTHREAD NextThread;
  PKTHREAD IdleThread;
  UCHAR Reserved20[0x100 - 0x20];
} DECLSPEC_ALIGN(16) KPRCB, *PKPRCB;

// What gs points to in kernel mode; each thread of the host has one.
typedef struct _KPCR {
  PVOID GdtBase;
  PVOID TssBase;
  ULONG64 UserRsp;
  struct _KPCR* Self;
  PKPRCB CurrentPrcb;
  PVOID LockArray;
  PVOID Used_Self;
  PVOID IdtBase;
  ULONG64 Unused[2];
  KIRQL Irql;
  UCHAR SecondLevelCacheAssociativity;
  UCHAR ObsoleteNumber;
  UCHAR Fill0;
  ULONG Unused0[3];
  USHORT MajorVersion;
  USHORT MinorVersion;
  ULONG StallScaleFactor;
  PVOID Unused1[3];
  ULONG KernelReserved[15];
  ULONG SecondLevelCacheSize;
  ULONG HalReserved[16];
  ULONG Unused2;
  PVOID KdVersionBlock;
  PVOID Unused3;
  ULONG PcrAlign1[24];
  KPRCB Prcb;
} KPCR, *PKPCR;

#define KEBOUND_NT_OFFSET(type, member, offset) C_ASSERT(offsetof(type, member) == (offset))
KEBOUND_NT_OFFSET(KTRAP_FRAME, PreviousMode, 0x28);
KEBOUND_NT_OFFSET(KTRAP_FRAME, MxCsr, 0x2c);
KEBOUND_NT_OFFSET(KTRAP_FRAME, Rax, 0x30);
KEBOUND_NT_OFFSET(KTRAP_FRAME, Rcx, 0x38);
KEBOUND_NT_OFFSET(KTRAP_FRAME, Rdx, 0x40);
KEBOUND_NT_OFFSET(KTRAP_FRAME, R8, 0x48);
KEBOUND_NT_OFFSET(KTRAP_FRAME, R9, 0x50);
KEBOUND_NT_OFFSET(KTRAP_FRAME, R10, 0x58);
KEBOUND_NT_OFFSET(KTRAP_FRAME, R11, 0x60);
KEBOUND_NT_OFFSET(KTRAP_FRAME, Xmm0, 0x70);
KEBOUND_NT_OFFSET(KTRAP_FRAME, FaultAddress, 0xd0);
KEBOUND_NT_OFFSET(KTRAP_FRAME, SegDs, 0x130);
KEBOUND_NT_OFFSET(KTRAP_FRAME, Rbx, 0x140);
KEBOUND_NT_OFFSET(KTRAP_FRAME, Rdi, 0x148);
KEBOUND_NT_OFFSET(KTRAP_FRAME, Rsi, 0x150);
KEBOUND_NT_OFFSET(KTRAP_FRAME, Rbp, 0x158);
KEBOUND_NT_OFFSET(KTRAP_FRAME, ErrorCode, 0x160);
KEBOUND_NT_OFFSET(KTRAP_FRAME, Rip, 0x168);
KEBOUND_NT_OFFSET(KTRAP_FRAME, SegCs, 0x170);
KEBOUND_NT_OFFSET(KTRAP_FRAME, EFlags, 0x178);
KEBOUND_NT_OFFSET(KTRAP_FRAME, Rsp, 0x180);
KEBOUND_NT_OFFSET(KTRAP_FRAME, SegSs, 0x188);
C_ASSERT(sizeof(KTRAP_FRAME) == 0x190);
KEBOUND_NT_OFFSET(KTHREAD, TrapFrame, 0x90);
KEBOUND_NT_OFFSET(KTHREAD, KernelApcDisable, 0x1e4);
KEBOUND_NT_OFFSET(KTHREAD, CombinedApcDisable, 0x1e4);
KEBOUND_NT_OFFSET(KTHREAD, Process, 0x220);
KEBOUND_NT_OFFSET(KTHREAD, PreviousMode, 0x232);
C_ASSERT(sizeof(KTHREAD) == 0x430);
KEBOUND_NT_OFFSET(KPCR, Self, 0x18);
KEBOUND_NT_OFFSET(KPCR, CurrentPrcb, 0x20);
KEBOUND_NT_OFFSET(KPCR, Irql, 0x50);
KEBOUND_NT_OFFSET(KPCR, Prcb, 0x180);
C_ASSERT(offsetof(KPCR, Prcb) + offsetof(KPRCB, CurrentThread) == 0x188);
#undef KEBOUND_NT_OFFSET

KEBOUND_NT_END

#ifdef KEBOUND_NT_LINUX_KERNEL
#include "x64_linux_kernel.h"
#else
#include "x64_gs.h"
#endif

#endif  // KEBOUND_NT_X64_H_
