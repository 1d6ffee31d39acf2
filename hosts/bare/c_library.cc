// SPDX-License-Identifier: Apache-2.0
//
// What the compiler calls by itself, and what nt/ and drivers take of the C library.
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <new>

#include "hosts/bare/threads.h"
#include "hosts/kernel/services.h"

void operator delete(void* memory) noexcept { kb_free(memory); }
void operator delete(void* memory, size_t) noexcept { kb_free(memory); }

extern "C" {

void* memcpy(void* to, const void* from, size_t size) {
  void* const result = to;
  size_t words = size / 8;
  size &= 7;
  __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
  __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
  return result;
}

void* memmove(void* to, const void* from, size_t size) {
  if (reinterpret_cast<uintptr_t>(to) - reinterpret_cast<uintptr_t>(from) >= size)
    return memcpy(to, from, size);
  void* const result = to;
  auto* last_to = static_cast<char*>(to) + size - 1;
  auto* last_from = static_cast<const char*>(from) + size - 1;
  __asm__ volatile("std\n\trep movsb\n\tcld"
                   : "+D"(last_to), "+S"(last_from), "+c"(size)
                   :
                   : "memory");
  return result;
}

void* memset(void* to, int byte, size_t size) {
  void* const result = to;
  const uint64_t word = 0x0101010101010101 * static_cast<uint8_t>(byte);
  size_t words = size / 8;
  size &= 7;
  __asm__ volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(word) : "memory");
  __asm__ volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(word) : "memory");
  return result;
}

int memcmp(const void* left, const void* right, size_t size) {
  const auto* a = static_cast<const unsigned char*>(left);
  const auto* b = static_cast<const unsigned char*>(right);
  // Frames and registers are compared at each exception, and mostly equal.
  for (; size >= 32; size -= 32, a += 32, b += 32) {
    uint64_t x[4];
    uint64_t y[4];
    __builtin_memcpy(x, a, sizeof x);
    __builtin_memcpy(y, b, sizeof y);
    if (((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3])) != 0) break;
  }
  for (; size != 0; --size, ++a, ++b) {
    if (*a != *b) return *a - *b;
  }
  return 0;
}

size_t strlen(const char* text) {
  size_t size = 0;
  for (const volatile char* at = text; *at != 0; ++at) ++size;
  return size;
}

int strncmp(const char* left, const char* right, size_t size) {
  for (; size != 0; --size, ++left, ++right) {
    if (*left != *right)
      return static_cast<unsigned char>(*left) - static_cast<unsigned char>(*right);
    if (*left == 0) break;
  }
  return 0;
}

int strcmp(const char* left, const char* right) { return strncmp(left, right, SIZE_MAX); }

unsigned long strtoul(const char* text, char** end, int base) {
  unsigned long value = 0;
  for (;; ++text) {
    const char lower = static_cast<char>(*text | 0x20);
    const int digit = *text >= '0' && *text <= '9'   ? *text - '0'
                      : lower >= 'a' && lower <= 'z' ? lower - 'a' + 10
                                                     : 99;
    if (digit >= base) break;
    value = value * static_cast<unsigned long>(base) + static_cast<unsigned long>(digit);
  }
  if (end != nullptr) *end = const_cast<char*>(text);
  return value;
}

void* malloc(size_t size) { return kb_allocate(size); }
void free(void* memory) { kb_free(memory); }

void abort() noexcept { kebound::bare::panic("abort()"); }
void __cxa_pure_virtual() { kebound::bare::panic("a pure virtual function was called"); }
// Nothing is destroyed: the kernel never ends.
int atexit(void (*)()) { return 0; }

int clock_gettime(clockid_t, timespec* now) noexcept {
  constexpr int64_t kSecond = 1'000'000'000;
  const int64_t ns = kebound::bare::now_ns();
  now->tv_sec = ns / kSecond;
  now->tv_nsec = ns % kSecond;
  return 0;
}

int nanosleep(const timespec* time, timespec*) {
  kebound::bare::sleep_until(kebound::bare::now_ns() + time->tv_sec * int64_t{1'000'000'000} +
                             time->tv_nsec);
  return 0;
}

}  // extern "C"
