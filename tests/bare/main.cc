// SPDX-License-Identifier: Apache-2.0
//
// One boot runs everything: each case of the contract's suite and each test in a kernel that begins
// anew, so that none inherits anything from the one before, and a bug check ends its own only.
// The command line: "only=NAME" runs that one.
#include <string.h>

#include "hosts/bare/kernel.h"
#include "hosts/bare/machine.h"
#include "hosts/bare/threads.h"
#include "tests/bare/tests.h"
#include "tests/conformance/bare_main.h"

namespace kebound::bare {

namespace {

constexpr uint8_t kGood = 16;  // QEMU's status is 33 then
constexpr int64_t kPatienceNs = 60'000'000'000;

constinit const char* g_running = nullptr;

void run(const char* name, void (*body)(const void*), const void* argument) {
  g_running = name;
  print_line(std::string("@begin ") + name);
  body(argument);
  end_of_test();
}

void run_test(const void* test) { static_cast<const Test*>(test)->body(); }
void run_case(const void* which) {
  conformance::run_case(*static_cast<const conformance::Case*>(which));
}

// The one whose number it is.
void run_number(uint64_t number, const std::string& only) {
  const auto is_wanted = [&](const char* name) {
    if (!only.empty() && strcmp(only.c_str(), name) != 0) return false;
    return number-- == 0;
  };
  for (const auto* c = conformance::first_case(); c != nullptr; c = c->next) {
    const std::string name = std::string("conformance/") + c->name;
    if (is_wanted(name.c_str())) run(name.c_str(), run_case, c);
  }
  for (const Test* test = first_test(); test != nullptr; test = test->next) {
    if (test->only_if_asked && only.empty()) continue;
    if (is_wanted(test->name)) run(test->name, run_test, test);
  }
}

}  // namespace

const Test*& first_test() {
  static constinit const Test* first = nullptr;
  return first;
}

std::string option(const char* word) {
  const size_t size = strlen(word);
  for (const char* at = command_line(); *at != 0; ++at) {
    size_t same = 0;
    while (same < size && at[same] == word[same]) ++same;
    if (same != size) continue;
    const char* end = at + size;
    while (*end != 0 && *end != ' ') ++end;
    return std::string(at + size, end);
  }
  return {};
}

void check(const std::string& words, bool holds) {
  print_line(std::string(holds ? "@check ok " : "@check FAILED ") + words);
}

void check_equal(const std::string& words, uint64_t got, uint64_t wanted) {
  if (got == wanted) return check(words, true);
  check(words + ": " + std::to_string(got) + ", wanted " + std::to_string(wanted), false);
}

void end_of_test() {
  print_line(std::string("@end ") + g_running + " " + std::to_string(now_ns() / 1'000'000));
  restart();
}

void kernel_run() {
  if (restart_count() == 0) print_line("kebound: the kernel is up");
  run_number(restart_count(), option("only="));
  print_line("@done");
  leave_machine(kGood);
}

void kernel_stopped() {
  if (g_running == nullptr) leave_machine(1);
  end_of_test();
}

void kernel_tick(int64_t now_ns) noexcept {
  if (now_ns < kPatienceNs || g_running == nullptr) return;
  check("it comes to its end within a minute", false);
  end_of_test();
}

}  // namespace kebound::bare
