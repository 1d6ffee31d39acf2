// SPDX-License-Identifier: Apache-2.0
//
// What differs between a driver built as ELF for kebound and as PE for NT; nothing below this file
// does.
#ifndef KEBOUND_NT_PLATFORM_H_
#define KEBOUND_NT_PLATFORM_H_

#include <stddef.h>

#if !defined(__x86_64__)
#error "kebound's NT face is x64 only"
#endif
#if !defined(__GNUC__)
#error "this header is for gcc and clang; with MSVC use the WDK's own wdm.h"
#endif

#ifdef __cplusplus
#define KEBOUND_NT_BEGIN extern "C" {
#define KEBOUND_NT_END }
#define C_ASSERT(e) static_assert(e, #e)
#define KEBOUND_NT_ALIGN(n) alignas(n)
#else
#define KEBOUND_NT_BEGIN
#define KEBOUND_NT_END
#define C_ASSERT(e) _Static_assert(e, #e)
#define KEBOUND_NT_ALIGN(n) _Alignas(n)
#endif

#ifdef _WIN32
#define DECLSPEC_IMPORT __declspec(dllimport)
#define DECLSPEC_EXPORT __declspec(dllexport)
#define KEBOUND_NT_LONG long
#else
// A driver's routines are found by the dynamic loader, even when it is compiled with
// -fvisibility=hidden.
#define DECLSPEC_IMPORT __attribute__((visibility("default")))
#define DECLSPEC_EXPORT __attribute__((visibility("default")))
#define KEBOUND_NT_LONG int
#endif

#define DECLSPEC_NORETURN __attribute__((noreturn))
#define DECLSPEC_ALIGN(n) __attribute__((aligned(n)))
#define DECLSPEC_NOINLINE __attribute__((noinline))
#define FORCEINLINE static inline __attribute__((always_inline, unused))
#define NTKERNELAPI DECLSPEC_IMPORT
#define NTSYSAPI DECLSPEC_IMPORT
#define NTHALAPI DECLSPEC_IMPORT

// x64 has one calling convention on each side; these are empty as they are with MSVC's x64
// compiler.
#define NTAPI
#define FASTCALL

#endif  // KEBOUND_NT_PLATFORM_H_
