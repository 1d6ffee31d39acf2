// SPDX-License-Identifier: Apache-2.0
//
// The functions that the preload library stands in front of: trap/calls' list, as the assembler
// needs it. A number is the place in kebound_originals. Each line: KIND(number, symbol). KIND is
// how much of an ordinary call the entry decides by itself:
//   ALWAYS  none: whoever calls it has failed
//   COUNT3  (.., .., count, size): it compares the two
//   COUNT2  (.., count, .., size): the same
//   CHECK   the C++ code measures
#pragma once

#define KEBOUND_CALL_SYMBOLS(ALWAYS, COUNT3, COUNT2, CHECK)    \
  ALWAYS(0, __ubsan_handle_out_of_bounds)                      \
  ALWAYS(1, __ubsan_handle_out_of_bounds_abort)                \
  ALWAYS(2, __ubsan_handle_pointer_overflow)                   \
  ALWAYS(3, __ubsan_handle_pointer_overflow_abort)             \
  ALWAYS(4, __ubsan_handle_type_mismatch_v1)                   \
  ALWAYS(5, __ubsan_handle_type_mismatch_v1_abort)             \
  ALWAYS(6, __ubsan_handle_local_out_of_bounds)                \
  ALWAYS(7, __ubsan_handle_local_out_of_bounds_abort)          \
  ALWAYS(8, __ubsan_handle_out_of_bounds_minimal)              \
  ALWAYS(9, __ubsan_handle_out_of_bounds_minimal_abort)        \
  ALWAYS(10, __ubsan_handle_pointer_overflow_minimal)          \
  ALWAYS(11, __ubsan_handle_pointer_overflow_minimal_abort)    \
  ALWAYS(12, __ubsan_handle_local_out_of_bounds_minimal)       \
  ALWAYS(13, __ubsan_handle_local_out_of_bounds_minimal_abort) \
  ALWAYS(14, _ZSt21__glibcxx_assert_failPKciS0_S0_)            \
  ALWAYS(15, _ZNSt3__122__libcpp_verbose_abortEPKcz)           \
  ALWAYS(16, __stack_chk_fail)                                 \
  COUNT3(17, __memcpy_chk)                                     \
  COUNT3(18, __memmove_chk)                                    \
  COUNT3(19, __mempcpy_chk)                                    \
  COUNT3(20, __memset_chk)                                     \
  CHECK(21, __explicit_bzero_chk)                              \
  COUNT3(22, __strncpy_chk)                                    \
  COUNT3(23, __stpncpy_chk)                                    \
  COUNT3(24, __strlcpy_chk)                                    \
  COUNT3(25, __strlcat_chk)                                    \
  COUNT2(26, __snprintf_chk)                                   \
  COUNT2(27, __vsnprintf_chk)                                  \
  COUNT3(28, __read_chk)                                       \
  CHECK(29, __pread_chk)                                       \
  CHECK(30, __pread64_chk)                                     \
  COUNT3(31, __recv_chk)                                       \
  COUNT3(32, __recvfrom_chk)                                   \
  COUNT3(33, __readlink_chk)                                   \
  CHECK(34, __readlinkat_chk)                                  \
  CHECK(35, __getcwd_chk)                                      \
  CHECK(36, __gethostname_chk)                                 \
  CHECK(37, __getdomainname_chk)                               \
  COUNT3(38, __confstr_chk)                                    \
  CHECK(39, __getlogin_r_chk)                                  \
  COUNT3(40, __ttyname_r_chk)                                  \
  COUNT3(41, __ptsname_r_chk)                                  \
  COUNT3(42, __wcstombs_chk)                                   \
  CHECK(43, __getgroups_chk)                                   \
  CHECK(44, __poll_chk)                                        \
  CHECK(45, __ppoll_chk)                                       \
  CHECK(46, __fread_chk)                                       \
  CHECK(47, __fread_unlocked_chk)                              \
  COUNT3(48, __wmemcpy_chk)                                    \
  COUNT3(49, __wmemmove_chk)                                   \
  COUNT3(50, __wmempcpy_chk)                                   \
  COUNT3(51, __wmemset_chk)                                    \
  COUNT3(52, __wcsncpy_chk)                                    \
  COUNT3(53, __wcpncpy_chk)                                    \
  COUNT2(54, __swprintf_chk)                                   \
  COUNT2(55, __vswprintf_chk)                                  \
  COUNT3(56, __mbstowcs_chk)                                   \
  CHECK(57, __strcpy_chk)                                      \
  CHECK(58, __stpcpy_chk)                                      \
  CHECK(59, __strcat_chk)                                      \
  CHECK(60, __strncat_chk)                                     \
  CHECK(61, __sprintf_chk)                                     \
  CHECK(62, __vsprintf_chk)                                    \
  CHECK(63, __fdelt_chk)

#define KEBOUND_CALL_SYMBOL_COUNT 64
