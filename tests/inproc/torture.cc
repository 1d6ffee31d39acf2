// SPDX-License-Identifier: Apache-2.0
//
// torture PLUGIN SECONDS (KEBOUND_TORTURE_SECONDS counts instead, where it is set): eight threads
// raise exceptions, two register and deregister, one loads and unloads a plugin that registers. At
// the end: every exception was answered, once and rightly; no callback ran after its deregistration
// had returned; everybody came to an end. A thread that makes no progress for 20 seconds is a
// deadlock.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "include/kebound/kebound.hpp"
#include "tests/inproc/raise.h"

namespace {

using kebound::testing::raise_bound;
constexpr int kFaulting = 8;
constexpr int kRegistering = 2;
constexpr int kAll = kFaulting + kRegistering + 1;

std::atomic<bool> g_stop{false};
std::atomic<uint64_t> g_answered{0};  // by the last callback of the chain
std::atomic<uint64_t> g_passed{0};
struct alignas(64) Progress {
  std::atomic<uint64_t> count{0};
};
std::array<Progress, kAll> g_progress;

[[noreturn]] void fail(const char* what) {
  fprintf(stderr, "torture: %s\n", what);
  _exit(1);
}

kebound_answer clamp_to_upper(const kebound_event* event, kebound_registers* registers, void*) {
  registers->gpr[event->index_register] = static_cast<uint32_t>(event->upper);
  ++g_answered;
  return KEBOUND_HANDLED;
}

// A registration's own memory; freed right after its removal. What a late callback would find there
// is not kAlive.
constexpr uint64_t kAlive = 0x600d600d600d600d;
struct Owned {
  std::atomic<uint64_t> state{kAlive};
  std::atomic<int> inside{0};
};

kebound_answer check_owner(const kebound_event*, kebound_registers*, void* context) {
  auto* const owned = static_cast<Owned*>(context);
  ++owned->inside;
  if (owned->state != kAlive) fail("a callback ran after its deregistration had returned");
  ++g_passed;
  --owned->inside;
  return KEBOUND_CONTINUE_SEARCH;
}

void raise_exceptions(int number) {
  for (int i = 0; !g_stop; ++i) {
    const int upper = number * 1000 + i % 1000;
    if (raise_bound(upper + 1 + i % 7, {0, upper}) != upper) fail("a repaired index is wrong");
    ++g_progress[static_cast<size_t>(number)].count;
  }
}

void register_and_remove(int number) {
  while (!g_stop) {
    auto owned = std::make_unique<Owned>();
    const kebound_handle handle = kebound_register(check_owner, owned.get());
    if (handle == 0) fail("no registration");
    if (number % 2 == 0) std::this_thread::yield();
    if (kebound_deregister(handle) != KEBOUND_OK) fail("a good handle was refused");
    if (kebound_deregister(handle) != KEBOUND_INVALID_HANDLE) fail("a handle was valid twice");
    if (owned->inside != 0) fail("deregistration returned with the callback running");
    owned->state = 0;
    ++g_progress[static_cast<size_t>(number)].count;
  }
}

void load_and_unload(int number, const char* path) {
  for (int i = 0; !g_stop; ++i) {
    void* const plugin = dlopen(path, RTLD_NOW);
    if (plugin == nullptr) fail(dlerror());
    auto* const begin = reinterpret_cast<int (*)()>(dlsym(plugin, "plugin_register_passing"));
    auto* const end = reinterpret_cast<void (*)()>(dlsym(plugin, "plugin_deregister"));
    if (begin() != 1) fail("the plugin could not register");
    std::this_thread::yield();
    end();
    dlclose(plugin);
    ++g_progress[static_cast<size_t>(number)].count;
  }
}

void watch(int seconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  std::array<uint64_t, kAll> last{};
  int quiet = 0;
  while (std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    bool all = true;
    for (size_t i = 0; i < kAll; ++i) all = all && g_progress[i].count != last[i];
    quiet = all ? 0 : quiet + 1;
    if (quiet > 40) fail("a thread makes no progress");
    for (size_t i = 0; all && i < kAll; ++i) last[i] = g_progress[i].count;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    fputs("usage: torture PLUGIN SECONDS\n", stderr);
    return 2;
  }
  const char* const longer = getenv("KEBOUND_TORTURE_SECONDS");
  const int seconds = atoi(longer != nullptr ? longer : argv[2]);
  if (seconds <= 0) fail("the seconds must be a number above 0");
  if (kebound_register(clamp_to_upper, nullptr) == 0) fail("no first registration");
  std::vector<std::thread> threads;
  for (int i = 0; i < kFaulting; ++i) threads.emplace_back(raise_exceptions, i);
  for (int i = 0; i < kRegistering; ++i) threads.emplace_back(register_and_remove, kFaulting + i);
  threads.emplace_back(load_and_unload, kAll - 1, argv[1]);
  watch(seconds);
  g_stop = true;
  alarm(60);
  for (std::thread& thread : threads) thread.join();
  uint64_t raised = 0;
  for (int i = 0; i < kFaulting; ++i) raised += g_progress[static_cast<size_t>(i)].count;
  printf(
      "%llu exceptions, %llu answered; %llu visits of callbacks that came and went; %llu and %llu "
      "registrations, %llu plugins\n",
      static_cast<unsigned long long>(raised), static_cast<unsigned long long>(g_answered.load()),
      static_cast<unsigned long long>(g_passed.load()),
      static_cast<unsigned long long>(g_progress[kFaulting].count.load()),
      static_cast<unsigned long long>(g_progress[kFaulting + 1].count.load()),
      static_cast<unsigned long long>(g_progress[kAll - 1].count.load()));
  if (raised != g_answered) fail("exceptions were lost or answered twice");
  return 0;
}
