// SPDX-License-Identifier: Apache-2.0
//
// Counted strings. Lengths of a driver's strings are trusted as NT trusts them, but for odd ones,
// which are rounded down.
#include <string.h>

#include <algorithm>

#include "include/nt/wdm.h"
#include "nt/utf.h"

namespace kebound::nt {

namespace {

constexpr ULONG kStringTag = 0x53727453;  // "StrS"
constexpr size_t kLongestWide = 0xfffc / sizeof(WCHAR);

[[nodiscard]] std::u16string_view view(PCUNICODE_STRING string) noexcept {
  return {reinterpret_cast<const char16_t*>(string->Buffer), string->Length / sizeof(WCHAR)};
}

[[nodiscard]] size_t length_of(PCWSTR text, size_t limit) noexcept {
  size_t length = 0;
  while (length < limit && text[length] != 0) ++length;
  return length;
}

[[nodiscard]] LONG compare(std::u16string_view a, std::u16string_view b, bool fold) noexcept {
  const size_t common = std::min(a.size(), b.size());
  for (size_t i = 0; i < common; ++i) {
    const LONG x = fold ? RtlUpcaseUnicodeChar(a[i]) : a[i];
    const LONG y = fold ? RtlUpcaseUnicodeChar(b[i]) : b[i];
    if (x != y) return x - y;
  }
  return static_cast<LONG>(a.size()) - static_cast<LONG>(b.size());
}

NTSTATUS append(PUNICODE_STRING destination, const WCHAR* source, size_t units) noexcept {
  const size_t bytes = units * sizeof(WCHAR);
  if (bytes > size_t{destination->MaximumLength} -
                  std::min(destination->Length, destination->MaximumLength)) {
    return STATUS_BUFFER_TOO_SMALL;
  }
  PWCH end = destination->Buffer + destination->Length / sizeof(WCHAR);
  memmove(end, source, bytes);
  destination->Length = static_cast<USHORT>(destination->Length + bytes);
  if (destination->MaximumLength - destination->Length >= int{sizeof(WCHAR)}) end[units] = 0;
  return STATUS_SUCCESS;
}

// Stores `bytes` of text in a counted string of either kind, with a terminating zero where it fits.
template <class String>
NTSTATUS store(String* destination, const void* text, size_t bytes, bool allocate) {
  using Unit = std::remove_pointer_t<decltype(destination->Buffer)>;
  if (bytes + sizeof(Unit) > 0xffff) return STATUS_INVALID_PARAMETER;
  if (allocate) {
    void* buffer = ExAllocatePoolWithTag(PagedPool, bytes + sizeof(Unit), kStringTag);
    if (buffer == nullptr) return STATUS_NO_MEMORY;
    destination->Buffer = static_cast<Unit*>(buffer);
    destination->MaximumLength = static_cast<USHORT>(bytes + sizeof(Unit));
  } else if (bytes > destination->MaximumLength) {
    return STATUS_BUFFER_OVERFLOW;
  }
  memcpy(destination->Buffer, text, bytes);
  destination->Length = static_cast<USHORT>(bytes);
  if (destination->MaximumLength - bytes >= sizeof(Unit))
    destination->Buffer[bytes / sizeof(Unit)] = 0;
  return STATUS_SUCCESS;
}

template <class String>
void free_string(String* string) {
  if (string->Buffer == nullptr) return;
  ExFreePoolWithTag(string->Buffer, kStringTag);
  *string = String{};
}

[[nodiscard]] bool valid_base(ULONG base) noexcept {
  return base == 2 || base == 8 || base == 10 || base == 16;
}

[[nodiscard]] unsigned digit_of(char16_t c) noexcept {
  if (c >= u'0' && c <= u'9') return c - u'0';
  if (c >= u'a' && c <= u'f') return c - u'a' + 10U;
  if (c >= u'A' && c <= u'F') return c - u'A' + 10U;
  return 99;
}

[[nodiscard]] ULONG take_prefix(std::u16string_view& text) noexcept {
  if (text.size() >= 2 && text[0] == u'0') {
    const ULONG base = text[1] == u'x' ? 16 : text[1] == u'o' ? 8 : text[1] == u'b' ? 2 : 0;
    if (base != 0) {
      text.remove_prefix(2);
      return base;
    }
  }
  return 10;
}

}  // namespace

}  // namespace kebound::nt

using namespace kebound::nt;

extern "C" {

VOID RtlInitUnicodeString(PUNICODE_STRING DestinationString, PCWSTR SourceString) {
  *DestinationString = UNICODE_STRING{};
  if (SourceString == nullptr) return;
  const size_t bytes = length_of(SourceString, kLongestWide) * sizeof(WCHAR);
  DestinationString->Length = static_cast<USHORT>(bytes);
  DestinationString->MaximumLength = static_cast<USHORT>(bytes + sizeof(WCHAR));
  DestinationString->Buffer = const_cast<PWCH>(SourceString);
}

VOID RtlInitAnsiString(PANSI_STRING DestinationString, PCSZ SourceString) {
  *DestinationString = ANSI_STRING{};
  if (SourceString == nullptr) return;
  const size_t bytes = strnlen(SourceString, 0xfffe);
  DestinationString->Length = static_cast<USHORT>(bytes);
  DestinationString->MaximumLength = static_cast<USHORT>(bytes + 1);
  DestinationString->Buffer = const_cast<PCHAR>(SourceString);
}

VOID RtlCopyUnicodeString(PUNICODE_STRING DestinationString, PCUNICODE_STRING SourceString) {
  DestinationString->Length = 0;
  if (SourceString == nullptr) return;
  const size_t bytes =
      std::min<size_t>(SourceString->Length, DestinationString->MaximumLength) & ~size_t{1};
  static_cast<void>(append(DestinationString, SourceString->Buffer, bytes / sizeof(WCHAR)));
}

LONG RtlCompareUnicodeString(PCUNICODE_STRING String1, PCUNICODE_STRING String2,
                             BOOLEAN CaseInSensitive) {
  return compare(view(String1), view(String2), CaseInSensitive != FALSE);
}

BOOLEAN RtlEqualUnicodeString(PCUNICODE_STRING String1, PCUNICODE_STRING String2,
                              BOOLEAN CaseInSensitive) {
  return String1->Length == String2->Length &&
                 RtlCompareUnicodeString(String1, String2, CaseInSensitive) == 0
             ? TRUE
             : FALSE;
}

BOOLEAN RtlPrefixUnicodeString(PCUNICODE_STRING String1, PCUNICODE_STRING String2,
                               BOOLEAN CaseInSensitive) {
  const std::u16string_view prefix = view(String1);
  const std::u16string_view text = view(String2);
  if (prefix.size() > text.size()) return FALSE;
  return compare(prefix, text.substr(0, prefix.size()), CaseInSensitive != FALSE) == 0 ? TRUE
                                                                                       : FALSE;
}

NTSTATUS RtlAppendUnicodeToString(PUNICODE_STRING Destination, PCWSTR Source) {
  return Source == nullptr ? STATUS_SUCCESS
                           : append(Destination, Source, length_of(Source, 0x8000));
}

NTSTATUS RtlAppendUnicodeStringToString(PUNICODE_STRING Destination, PCUNICODE_STRING Source) {
  return append(Destination, Source->Buffer, Source->Length / sizeof(WCHAR));
}

NTSTATUS RtlUnicodeStringToAnsiString(PANSI_STRING DestinationString, PCUNICODE_STRING SourceString,
                                      BOOLEAN AllocateDestinationString) {
  const std::string text = to_utf8(view(SourceString));
  return store(DestinationString, text.data(), text.size(), AllocateDestinationString != FALSE);
}

NTSTATUS RtlAnsiStringToUnicodeString(PUNICODE_STRING DestinationString, PCANSI_STRING SourceString,
                                      BOOLEAN AllocateDestinationString) {
  const std::u16string text = to_utf16({SourceString->Buffer, SourceString->Length});
  return store(DestinationString, text.data(), text.size() * sizeof(WCHAR),
               AllocateDestinationString != FALSE);
}

VOID RtlFreeUnicodeString(PUNICODE_STRING UnicodeString) { free_string(UnicodeString); }

VOID RtlFreeAnsiString(PANSI_STRING AnsiString) { free_string(AnsiString); }

WCHAR RtlUpcaseUnicodeChar(WCHAR SourceCharacter) {
  const auto shift = [&](unsigned distance) {
    return static_cast<WCHAR>(SourceCharacter - distance);
  };
  const unsigned c = SourceCharacter;
  if ((c >= 'a' && c <= 'z') || (c >= 0xe0 && c <= 0xfe && c != 0xf7)) return shift(0x20);
  if (c == 0xff) return 0x178;
  if ((c >= 0x3b1 && c <= 0x3c9 && c != 0x3c2) || (c >= 0x430 && c <= 0x44f)) return shift(0x20);
  if (c >= 0x450 && c <= 0x45f) return shift(0x50);
  return SourceCharacter;
}

WCHAR RtlDowncaseUnicodeChar(WCHAR SourceCharacter) {
  const auto shift = [&](unsigned distance) {
    return static_cast<WCHAR>(SourceCharacter + distance);
  };
  const unsigned c = SourceCharacter;
  if ((c >= 'A' && c <= 'Z') || (c >= 0xc0 && c <= 0xde && c != 0xd7)) return shift(0x20);
  if (c == 0x178) return 0xff;
  if ((c >= 0x391 && c <= 0x3a9 && c != 0x3a2) || (c >= 0x410 && c <= 0x42f)) return shift(0x20);
  if (c >= 0x400 && c <= 0x40f) return shift(0x50);
  return SourceCharacter;
}

NTSTATUS RtlIntegerToUnicodeString(ULONG Value, ULONG Base, PUNICODE_STRING String) {
  const ULONG base = Base == 0 ? 10 : Base;
  if (!valid_base(base)) return STATUS_INVALID_PARAMETER;
  char16_t digits[32];
  char16_t* first = digits + 32;
  do {
    *--first = static_cast<char16_t>("0123456789ABCDEF"[Value % base]);
    Value /= base;
  } while (Value != 0);
  return store(String, first, static_cast<size_t>(digits + 32 - first) * sizeof(WCHAR), false);
}

NTSTATUS RtlUnicodeStringToInteger(PCUNICODE_STRING String, ULONG Base, PULONG Value) {
  std::u16string_view text = view(String);
  while (!text.empty() && text[0] <= u' ') text.remove_prefix(1);
  const bool negative = !text.empty() && text[0] == u'-';
  if (negative || (!text.empty() && text[0] == u'+')) text.remove_prefix(1);
  const ULONG base = Base == 0 ? take_prefix(text) : Base;
  if (!valid_base(base)) return STATUS_INVALID_PARAMETER;
  ULONG value = 0;
  for (; !text.empty() && digit_of(text[0]) < base; text.remove_prefix(1))
    value = value * base + digit_of(text[0]);
  *Value = negative ? 0U - value : value;
  return STATUS_SUCCESS;
}

SIZE_T RtlCompareMemory(const VOID* Source1, const VOID* Source2, SIZE_T Length) {
  const auto* first = static_cast<const unsigned char*>(Source1);
  return static_cast<SIZE_T>(
      std::mismatch(first, first + Length, static_cast<const unsigned char*>(Source2)).first -
      first);
}

NTSTATUS RtlGetVersion(PRTL_OSVERSIONINFOW VersionInformation) {
  // RTL_OSVERSIONINFOEXW is longer; what both have in common is filled in.
  if (VersionInformation->dwOSVersionInfoSize < sizeof *VersionInformation)
    return STATUS_INVALID_PARAMETER;
  VersionInformation->dwMajorVersion = 10;
  VersionInformation->dwMinorVersion = 0;
  VersionInformation->dwBuildNumber = 19045;
  VersionInformation->dwPlatformId = 2;
  VersionInformation->szCSDVersion[0] = 0;
  return STATUS_SUCCESS;
}

}  // extern "C"
