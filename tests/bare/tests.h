// SPDX-License-Identifier: Apache-2.0
//
// A test of the kernel: BARE_TEST(name) { body }, in a kernel that was started anew for it. What it
// says goes over the serial line in the lines that tests/module/guest_log.py reads. Name and macro
// stand on one line, because CMakeLists.txt finds them there.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <string>

namespace kebound::bare {

struct Test {
  const char* name;
  void (*body)();
  const Test* next;
};
const Test*& first_test();

struct TestRegistrar {
  explicit TestRegistrar(Test& added) {
    added.next = first_test();
    first_test() = &added;
  }
};

#define BARE_TEST(name)                                                                     \
  static void test_##name();                                                                \
  static ::kebound::bare::Test entry_##name = {"bare/" #name, &test_##name, nullptr};       \
  static const ::kebound::bare::TestRegistrar registrar_##name(entry_##name);               \
  static void test_##name()

// One statement.
void check(const std::string& words, bool holds);
void check_equal(const std::string& words, uint64_t got, uint64_t wanted);

// The kernel begins anew, with the next test. Also what becomes of a bug check.
[[noreturn]] void end_of_test();

// A program that is part of the kernel (programs.S).
struct Program {
  const uint8_t* file;
  size_t size;
};
#define BARE_PROGRAM(name)                                             \
  extern "C" const uint8_t program_##name[], program_##name##_end[];   \
  static inline ::kebound::bare::Program name##_program() {            \
    return {program_##name,                                            \
            static_cast<size_t>(program_##name##_end - program_##name)}; \
  }

}  // namespace kebound::bare
