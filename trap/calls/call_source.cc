// SPDX-License-Identifier: Apache-2.0
#include "trap/calls/call_source.h"

namespace kebound::calls {
namespace {

constexpr CallSource ubsan(const char* symbol, Shape shape, CheckKind check, bool returns) {
  CallSource source;
  source.symbol = symbol;
  source.shape = shape;
  source.check = check;
  source.returns = returns;
  return source;
}

constexpr CallSource library(const char* symbol, Family family, Shape shape, CheckKind check) {
  CallSource source;
  source.symbol = symbol;
  source.family = family;
  source.shape = shape;
  source.check = check;
  return source;
}

constexpr CallSource fortified(const char* symbol, Shape shape, uint8_t object, uint8_t count,
                               uint8_t size) {
  CallSource source = library(symbol, Family::Fortify, shape, CheckKind::BufferSize);
  source.object = object;
  source.count = count;
  source.size = size;
  return source;
}

constexpr CallSource counted(const char* symbol, uint8_t object, uint8_t count, uint8_t size,
                             uint8_t element = 1) {
  CallSource source = fortified(symbol, Shape::Count, object, count, size);
  source.element = element;
  return source;
}

// Wide characters: count and size are both in elements.
constexpr CallSource wide(const char* symbol, uint8_t object, uint8_t count, uint8_t size) {
  constexpr uint8_t kWideCharacter = 4;
  CallSource source = counted(symbol, object, count, size, kWideCharacter);
  source.size_in_elements = true;
  return source;
}

constexpr CallSource with_factor(CallSource source, uint8_t factor) {
  source.factor = factor;
  return source;
}
constexpr CallSource with_limit(CallSource source, uint8_t limit) {
  source.limit = limit;
  return source;
}
constexpr CallSource only(Class which, CallSource source) {
  source.only = which;
  return source;
}

constexpr CallSource kSources[] = {
    // compiler-rt's and gcc's libubsan: "_abort" is what -fno-sanitize-recover calls
    ubsan("__ubsan_handle_out_of_bounds", Shape::OutOfBounds, CheckKind::ArrayBounds, true),
    ubsan("__ubsan_handle_out_of_bounds_abort", Shape::OutOfBounds, CheckKind::ArrayBounds, false),
    ubsan("__ubsan_handle_pointer_overflow", Shape::PointerOverflow, CheckKind::PointerOverflow,
          true),
    ubsan("__ubsan_handle_pointer_overflow_abort", Shape::PointerOverflow,
          CheckKind::PointerOverflow, false),
    ubsan("__ubsan_handle_type_mismatch_v1", Shape::TypeMismatch, CheckKind::ObjectSize, true),
    ubsan("__ubsan_handle_type_mismatch_v1_abort", Shape::TypeMismatch, CheckKind::ObjectSize,
          false),
    ubsan("__ubsan_handle_local_out_of_bounds", Shape::Silent, CheckKind::ArrayBounds, true),
    ubsan("__ubsan_handle_local_out_of_bounds_abort", Shape::Silent, CheckKind::ArrayBounds, false),
    // The minimal runtime says nothing but the kind; its type mismatches may be null pointers.
    ubsan("__ubsan_handle_out_of_bounds_minimal", Shape::Silent, CheckKind::ArrayBounds, true),
    ubsan("__ubsan_handle_out_of_bounds_minimal_abort", Shape::Silent, CheckKind::ArrayBounds,
          false),
    ubsan("__ubsan_handle_pointer_overflow_minimal", Shape::Silent, CheckKind::PointerOverflow,
          true),
    ubsan("__ubsan_handle_pointer_overflow_minimal_abort", Shape::Silent,
          CheckKind::PointerOverflow, false),
    ubsan("__ubsan_handle_local_out_of_bounds_minimal", Shape::Silent, CheckKind::ArrayBounds,
          true),
    ubsan("__ubsan_handle_local_out_of_bounds_minimal_abort", Shape::Silent, CheckKind::ArrayBounds,
          false),

    library("_ZSt21__glibcxx_assert_failPKciS0_S0_", Family::Libstdcxx, Shape::GlibcxxAssert,
            CheckKind::Assertion),
    library("_ZNSt3__122__libcpp_verbose_abortEPKcz", Family::Libcxx, Shape::VerboseAbort,
            CheckKind::Assertion),
    library("__stack_chk_fail", Family::StackProtector, Shape::Silent, CheckKind::StackSmash),

    counted("__memcpy_chk", 0, 2, 3),
    counted("__memmove_chk", 0, 2, 3),
    counted("__mempcpy_chk", 0, 2, 3),
    counted("__memset_chk", 0, 2, 3),
    counted("__explicit_bzero_chk", 0, 1, 2),
    counted("__strncpy_chk", 0, 2, 3),
    counted("__stpncpy_chk", 0, 2, 3),
    counted("__strlcpy_chk", 0, 2, 3),
    counted("__strlcat_chk", 0, 2, 3),
    counted("__snprintf_chk", 0, 1, 3),
    counted("__vsnprintf_chk", 0, 1, 3),
    counted("__read_chk", 1, 2, 3),
    counted("__pread_chk", 1, 2, 4),
    only(Class::Only64, counted("__pread64_chk", 1, 2, 4)),
    only(Class::Only32, counted("__pread64_chk", 1, 2, 5)),  // the offset is two words
    counted("__recv_chk", 1, 2, 3),
    counted("__recvfrom_chk", 1, 2, 3),
    counted("__readlink_chk", 1, 2, 3),
    counted("__readlinkat_chk", 2, 3, 4),
    counted("__getcwd_chk", 0, 1, 2),
    counted("__gethostname_chk", 0, 1, 2),
    counted("__getdomainname_chk", 0, 1, 2),
    counted("__confstr_chk", 1, 2, 3),
    counted("__getlogin_r_chk", 0, 1, 2),
    counted("__ttyname_r_chk", 1, 2, 3),
    counted("__ptsname_r_chk", 1, 2, 3),
    counted("__wcstombs_chk", 0, 2, 3),
    counted("__getgroups_chk", 1, 0, 2, 4),  // gid_t
    counted("__poll_chk", 0, 1, 3, 8),       // struct pollfd
    counted("__ppoll_chk", 0, 1, 4, 8),
    with_factor(counted("__fread_chk", 0, 3, 1), 2),
    with_factor(counted("__fread_unlocked_chk", 0, 3, 1), 2),
    wide("__wmemcpy_chk", 0, 2, 3),
    wide("__wmemmove_chk", 0, 2, 3),
    wide("__wmempcpy_chk", 0, 2, 3),
    wide("__wmemset_chk", 0, 2, 3),
    wide("__wcsncpy_chk", 0, 2, 3),
    wide("__wcpncpy_chk", 0, 2, 3),
    wide("__swprintf_chk", 0, 1, 3),
    wide("__vswprintf_chk", 0, 1, 3),
    wide("__mbstowcs_chk", 0, 2, 3),
    fortified("__strcpy_chk", Shape::String, 0, 1, 2),
    fortified("__stpcpy_chk", Shape::String, 0, 1, 2),
    fortified("__strcat_chk", Shape::Concatenation, 0, 1, 2),
    with_limit(fortified("__strncat_chk", Shape::Concatenation, 0, 1, 3), 2),
    fortified("__sprintf_chk", Shape::Printed, 0, kNoArgument, 2),
    fortified("__vsprintf_chk", Shape::Printed, 0, kNoArgument, 2),
    fortified("__fdelt_chk", Shape::Descriptor, kNoArgument, 0, kNoArgument),
};

constexpr const char* kFamilyNames[kFamilies] = {"ubsan", "libstdc++", "libc++", "fortify",
                                                 "stack-protector"};

bool equal(const char* name, const char* text, size_t length) noexcept {
  for (size_t i = 0; i < length; ++i) {
    if (name[i] == '\0' || name[i] != text[i]) return false;
  }
  return name[length] == '\0';
}

bool parse_family(const char* text, size_t length, FamilySet& out) noexcept {
  for (unsigned i = 0; i < kFamilies; ++i) {
    if (!equal(kFamilyNames[i], text, length)) continue;
    out = static_cast<FamilySet>(out | 1u << i);
    return true;
  }
  return false;
}

}  // namespace

const char* family_name(Family family) noexcept {
  return static_cast<unsigned>(family) < kFamilies ? kFamilyNames[static_cast<unsigned>(family)]
                                                   : "unknown";
}

bool parse_families(const char* text, FamilySet& out) noexcept {
  if (equal("all", text, 3) && text[3] == '\0') {
    out = kAllFamilies;
    return true;
  }
  if (equal("none", text, 4) && text[4] == '\0') {
    out = 0;
    return true;
  }
  FamilySet families = 0;
  for (;;) {
    size_t length = 0;
    while (text[length] != '\0' && text[length] != ',') ++length;
    if (!parse_family(text, length, families)) return false;
    if (text[length] == '\0') break;
    text += length + 1;
  }
  out = families;
  return true;
}

const CallSource* call_sources(size_t& count) noexcept {
  count = sizeof kSources / sizeof *kSources;
  return kSources;
}

const CallSource* find_call_source(const char* symbol, size_t length, bool is_64bit) noexcept {
  for (const CallSource& source : kSources) {
    if (source.is_for(is_64bit) && equal(source.symbol, symbol, length)) return &source;
  }
  return nullptr;
}

}  // namespace kebound::calls
