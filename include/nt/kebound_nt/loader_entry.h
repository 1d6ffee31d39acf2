// SPDX-License-Identifier: Apache-2.0
//
// What DRIVER_OBJECT.DriverSection points to. Not part of wdm.h: drivers that set its Flags bring a
// definition of their own (LDR_DATA_TABLE_ENTRY, KLDR_DATA_TABLE_ENTRY), which this must not
// collide with.
#ifndef KEBOUND_NT_LOADER_ENTRY_H_
#define KEBOUND_NT_LOADER_ENTRY_H_

#include "types.h"

KEBOUND_NT_BEGIN

typedef struct _KEBOUND_LOADER_ENTRY {
  LIST_ENTRY InLoadOrderLinks;
  PVOID ExceptionTable;
  ULONG ExceptionTableSize;
  PVOID GpValue;
  PVOID NonPagedDebugInfo;
  PVOID DllBase;
  PVOID EntryPoint;
  ULONG SizeOfImage;
  UNICODE_STRING FullDllName;
  UNICODE_STRING BaseDllName;
  ULONG Flags;
  USHORT LoadCount;
  USHORT Reserved06e;
  UCHAR Reserved070[0xa0 - 0x70];
} KEBOUND_LOADER_ENTRY, *PKEBOUND_LOADER_ENTRY;

// The image was linked /INTEGRITYCHECK (IMAGE_DLLCHARACTERISTICS_FORCE_INTEGRITY).
#define KEBOUND_LOADER_INTEGRITYCHECK 0x20U

C_ASSERT(offsetof(KEBOUND_LOADER_ENTRY, DllBase) == 0x30);
C_ASSERT(offsetof(KEBOUND_LOADER_ENTRY, FullDllName) == 0x48);
C_ASSERT(offsetof(KEBOUND_LOADER_ENTRY, Flags) == 0x68);

KEBOUND_NT_END

#endif  // KEBOUND_NT_LOADER_ENTRY_H_
