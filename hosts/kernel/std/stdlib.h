// SPDX-License-Identifier: Apache-2.0
//
// Of the C library's: abort() is the module's, the rest is for those who define it.
#pragma once

#include <stddef.h>

extern "C" {
[[noreturn]] void abort() noexcept;
void* malloc(size_t size);
void free(void* memory);
unsigned long strtoul(const char* text, char** end, int base);
}
