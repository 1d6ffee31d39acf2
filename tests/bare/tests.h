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
  bool only_if_asked;  // by only=NAME
  const Test* next;
};
const Test*& first_test();

struct TestRegistrar {
  explicit TestRegistrar(Test& added) {
    added.next = first_test();
    first_test() = &added;
  }
};

#define BARE_ENTRY(prefix, name, only_if_asked)                                           \
  static void test_##name();                                                              \
  static ::kebound::bare::Test entry_##name = {prefix #name, &test_##name, only_if_asked, \
                                               nullptr};                                  \
  static const ::kebound::bare::TestRegistrar registrar_##name(entry_##name);             \
  static void test_##name()
#define BARE_TEST(name) BARE_ENTRY("bare/", name, false)
// No test: it says what something costs.
#define BARE_COST(name) BARE_ENTRY("cost/", name, true)

// One statement.
void check(const std::string& words, bool holds);
void check_equal(const std::string& words, uint64_t got, uint64_t wanted);

// The word on the kernel's command line that begins so, without that; empty: there is none.
[[nodiscard]] std::string option(const char* word);

// The kernel begins anew, with the next test. Also what becomes of a bug check.
[[noreturn]] void end_of_test();

}  // namespace kebound::bare
