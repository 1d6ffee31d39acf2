// SPDX-License-Identifier: Apache-2.0
//
// Debug output: one event of the report per call, with the driver's name.
#ifndef KEBOUND_NT_DBG_H_
#define KEBOUND_NT_DBG_H_

#include "sal.h"
#include "types.h"

KEBOUND_NT_BEGIN

#define DPFLTR_IHVDRIVER_ID 77U
#define DPFLTR_DEFAULT_ID 101U
#define DPFLTR_ERROR_LEVEL 0U
#define DPFLTR_WARNING_LEVEL 1U
#define DPFLTR_TRACE_LEVEL 2U
#define DPFLTR_INFO_LEVEL 3U

// Formats as NT does: flags, width and precision (also *), %c %C %d %i %u %o %x %X %p %s %S %Z %n
// is not supported; sizes h l ll w I I32 I64 t z; %ws, %ls, %S, %wc a wide string or character, %hs
// a narrow one, %Z an ANSI_STRING*, %wZ a UNICODE_STRING*; no floating point. At most 512 bytes.
// Wide text appears as UTF-8. Returns STATUS_SUCCESS. IRQL <= DIRQL.
NTSYSAPI ULONG DbgPrint(_In_z_ _Printf_format_string_ PCSTR Format, ...);
// The same with a component and a level, which the report shows; nothing is filtered here.
NTSYSAPI ULONG DbgPrintEx(_In_ ULONG ComponentId, _In_ ULONG Level,
                          _In_z_ _Printf_format_string_ PCSTR Format, ...);
NTSYSAPI ULONG NTAPI vDbgPrintEx(_In_ ULONG ComponentId, _In_ ULONG Level, _In_z_ PCSTR Format,
                                 _In_ __builtin_va_list ArgList);

#if defined(DBG) && DBG
#define KdPrint(_x_) DbgPrint _x_
#define KdPrintEx(_x_) DbgPrintEx _x_
// A failed assertion is printed with its text and place.
#define NT_ASSERT(_exp) \
  ((_exp) ? (void)0 : (void)DbgPrint("assertion failed: %s, %s:%d\n", #_exp, __FILE__, __LINE__))
#else
#define KdPrint(_x_)
#define KdPrintEx(_x_)
#define NT_ASSERT(_exp) ((void)0)
#endif
#ifndef ASSERT
#define ASSERT(_exp) NT_ASSERT(_exp)
#endif
#define PAGED_CODE() ((void)0)

KEBOUND_NT_END

#endif  // KEBOUND_NT_DBG_H_
