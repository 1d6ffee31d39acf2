// SPDX-License-Identifier: Apache-2.0
//
// Run-time library: memory and counted strings. Unicode here is UTF-16 units; conversion to and
// from ANSI strings is to and from UTF-8. Case is folded for the basic Latin, Latin-1, Greek and
// Cyrillic letters.
#ifndef KEBOUND_NT_RTL_H_
#define KEBOUND_NT_RTL_H_

#include <string.h> /* mem*: the compiler makes calls of these itself; a .sys imports them */

#include "sal.h"
#include "status.h"
#include "types.h"

KEBOUND_NT_BEGIN

#define RtlCopyMemory(Destination, Source, Length) memcpy((Destination), (Source), (Length))
#define RtlMoveMemory(Destination, Source, Length) memmove((Destination), (Source), (Length))
#define RtlFillMemory(Destination, Length, Fill) memset((Destination), (Fill), (Length))
#define RtlZeroMemory(Destination, Length) memset((Destination), 0, (Length))
#define RtlEqualMemory(Destination, Source, Length) (!memcmp((Destination), (Source), (Length)))

// How many bytes from the start are equal. Any IRQL.
NTSYSAPI SIZE_T NTAPI RtlCompareMemory(_In_ const VOID* Source1, _In_ const VOID* Source2,
                                       _In_ SIZE_T Length);

// Initialises a UNICODE_STRING or STRING from a literal.
#ifdef __cplusplus
KEBOUND_NT_END
template <class Unit, size_t N>
constexpr Unit* KeboundLiteral(const Unit (&Text)[N]) {
  return const_cast<Unit*>(Text);
}
KEBOUND_NT_BEGIN
#define RTL_CONSTANT_STRING(s) \
  { sizeof(s) - sizeof((s)[0]), sizeof(s), KeboundLiteral(s) }
#else
#define RTL_CONSTANT_STRING(s) \
  { sizeof(s) - sizeof((s)[0]), sizeof(s), (s) }
#endif
#define DECLARE_CONST_UNICODE_STRING(_var, _string)                              \
  const WCHAR _var##_buffer[] = _string;                                         \
  const UNICODE_STRING _var = {sizeof(_string) - sizeof(WCHAR), sizeof(_string), \
                               (PWCH)_var##_buffer}

// Makes a counted string that refers to SourceString (NULL: an empty one). Longer than fits is cut.
// Any IRQL.
NTSYSAPI VOID NTAPI RtlInitUnicodeString(_Out_ PUNICODE_STRING DestinationString,
                                         _In_opt_z_ PCWSTR SourceString);
NTSYSAPI VOID NTAPI RtlInitAnsiString(_Out_ PANSI_STRING DestinationString,
                                      _In_opt_z_ PCSZ SourceString);
FORCEINLINE VOID RtlInitEmptyUnicodeString(PUNICODE_STRING String, PWCHAR Buffer,
                                           USHORT BufferSize) {
  String->Length = 0;
  String->MaximumLength = BufferSize;
  String->Buffer = Buffer;
}

// Copies as much as fits; NULL empties the destination. IRQL PASSIVE_LEVEL, any if nothing is
// paged.
NTSYSAPI VOID NTAPI RtlCopyUnicodeString(_Inout_ PUNICODE_STRING DestinationString,
                                         _In_opt_ PCUNICODE_STRING SourceString);
// < 0, 0, > 0 as the first sorts before, with or after the second. IRQL PASSIVE_LEVEL.
_Must_inspect_result_ NTSYSAPI LONG NTAPI RtlCompareUnicodeString(_In_ PCUNICODE_STRING String1,
                                                                  _In_ PCUNICODE_STRING String2,
                                                                  _In_ BOOLEAN CaseInSensitive);
_Must_inspect_result_ NTSYSAPI BOOLEAN NTAPI RtlEqualUnicodeString(_In_ PCUNICODE_STRING String1,
                                                                   _In_ PCUNICODE_STRING String2,
                                                                   _In_ BOOLEAN CaseInSensitive);
// TRUE when String2 begins with String1. IRQL PASSIVE_LEVEL.
_Must_inspect_result_ NTSYSAPI BOOLEAN NTAPI RtlPrefixUnicodeString(_In_ PCUNICODE_STRING String1,
                                                                    _In_ PCUNICODE_STRING String2,
                                                                    _In_ BOOLEAN CaseInSensitive);
// Appends; STATUS_BUFFER_TOO_SMALL when it does not fit (then nothing has changed). Any IRQL if
// nothing is paged.
NTSYSAPI NTSTATUS NTAPI RtlAppendUnicodeToString(_Inout_ PUNICODE_STRING Destination,
                                                 _In_opt_z_ PCWSTR Source);
NTSYSAPI NTSTATUS NTAPI RtlAppendUnicodeStringToString(_Inout_ PUNICODE_STRING Destination,
                                                       _In_ PCUNICODE_STRING Source);
// Converts; the result is zero-terminated where there is room. Allocates the destination's buffer
// if asked (free it with RtlFree...String), else STATUS_BUFFER_OVERFLOW when it does not fit.
// STATUS_NO_MEMORY; STATUS_INVALID_PARAMETER when the result is too long for a counted string. IRQL
// PASSIVE_LEVEL.
NTSYSAPI NTSTATUS NTAPI RtlUnicodeStringToAnsiString(_Inout_ PANSI_STRING DestinationString,
                                                     _In_ PCUNICODE_STRING SourceString,
                                                     _In_ BOOLEAN AllocateDestinationString);
NTSYSAPI NTSTATUS NTAPI RtlAnsiStringToUnicodeString(_Inout_ PUNICODE_STRING DestinationString,
                                                     _In_ PCANSI_STRING SourceString,
                                                     _In_ BOOLEAN AllocateDestinationString);
NTSYSAPI VOID NTAPI RtlFreeUnicodeString(_Inout_ PUNICODE_STRING UnicodeString);
NTSYSAPI VOID NTAPI RtlFreeAnsiString(_Inout_ PANSI_STRING AnsiString);
// Any IRQL.
NTSYSAPI WCHAR NTAPI RtlUpcaseUnicodeChar(_In_ WCHAR SourceCharacter);
NTSYSAPI WCHAR NTAPI RtlDowncaseUnicodeChar(_In_ WCHAR SourceCharacter);
// Writes Value in Base 2, 8, 10 (or 0) or 16. STATUS_INVALID_PARAMETER for another base,
// STATUS_BUFFER_OVERFLOW when it does not fit. IRQL PASSIVE_LEVEL.
NTSYSAPI NTSTATUS NTAPI RtlIntegerToUnicodeString(_In_ ULONG Value, _In_opt_ ULONG Base,
                                                  _Inout_ PUNICODE_STRING String);
// Reads a number: blanks, sign, with Base 0 a prefix 0x, 0o or 0b. STATUS_INVALID_PARAMETER for
// another base. IRQL PASSIVE_LEVEL.
NTSYSAPI NTSTATUS NTAPI RtlUnicodeStringToInteger(_In_ PCUNICODE_STRING String, _In_opt_ ULONG Base,
                                                  _Out_ PULONG Value);

typedef struct _OSVERSIONINFOW {
  ULONG dwOSVersionInfoSize;
  ULONG dwMajorVersion;
  ULONG dwMinorVersion;
  ULONG dwBuildNumber;
  ULONG dwPlatformId;
  WCHAR szCSDVersion[128];
} OSVERSIONINFOW, *POSVERSIONINFOW, RTL_OSVERSIONINFOW, *PRTL_OSVERSIONINFOW;
// Says 10.0, build 19045: the behaviour that kebound follows. STATUS_SUCCESS;
// STATUS_INVALID_PARAMETER for another size.
NTSYSAPI NTSTATUS NTAPI RtlGetVersion(_Inout_ PRTL_OSVERSIONINFOW VersionInformation);

KEBOUND_NT_END

#endif  // KEBOUND_NT_RTL_H_
