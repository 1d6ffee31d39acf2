// SPDX-License-Identifier: Apache-2.0
//
// Threads, processes and images that come and go, with exceptions at every moment.
#include <dlfcn.h>
#include <execinfo.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "include/kebound/kebound.hpp"
#include "tests/inproc/raise.h"

namespace kebound {
namespace {

using namespace std::chrono_literals;
using testing::Bounds;
using testing::raise_bound;
constexpr Bounds kBounds{-4, 9};

Answer clamp(const Event& event, EventRegisters& registers) {
  registers.gpr[event.index_register] =
      static_cast<uint32_t>(event.index < event.lower ? event.lower : event.upper);
  return Answer::Handled;
}

void wait_for(const std::atomic<bool>& flag) {
  while (!flag) std::this_thread::yield();
}

int status_of_child(pid_t pid) {
  int status = 0;
  EXPECT_EQ(waitpid(pid, &status, 0), pid);
  return status;
}

TEST(LifeTest, Eight_threads_lose_no_exception) {
  constexpr int kThreads = 8;
  constexpr int kEach = 2000;
  std::atomic<int> calls{0};
  std::atomic<int> wrong{0};
  const Registration registration([&](const Event& e, EventRegisters& r) {
    ++calls;
    return clamp(e, r);
  });
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&wrong, t] {
      for (int i = 0; i < kEach; ++i) {
        const Bounds bounds{-t - 1, 100 + i};
        const bool low = i % 2 == 0;
        if (raise_bound(low ? -t - 2 : 101 + i, bounds) != (low ? bounds.lower : bounds.upper))
          ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(calls, kThreads * kEach);
}

TEST(LifeTest, More_threads_than_the_pool_has_places_for_one_after_another_and_at_once) {
  const Registration registration(clamp);
  for (int i = 0; i < 300; ++i) std::thread([] { EXPECT_EQ(raise_bound(10, kBounds), 9); }).join();
  std::atomic<bool> leave{false};
  std::atomic<int> inside{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 150; ++i) {
    threads.emplace_back([&] {
      EXPECT_EQ(raise_bound(10, kBounds), 9);
      ++inside;
      wait_for(leave);
      EXPECT_EQ(raise_bound(-10, kBounds), -4);
    });
  }
  while (inside < 150) std::this_thread::yield();
  leave = true;
  for (std::thread& thread : threads) thread.join();
}

TEST(LifeTest, Deregistration_waits_for_the_callback_that_runs) {
  std::atomic<bool> inside{false};
  std::atomic<bool> leave{false};
  std::atomic<bool> left{false};
  std::atomic<bool> removed{false};
  auto registration = std::make_unique<Registration>([&](const Event& e, EventRegisters& r) {
    inside = true;
    wait_for(leave);
    left = true;
    return clamp(e, r);
  });
  std::thread faulting([] { EXPECT_EQ(raise_bound(10, kBounds), 9); });
  wait_for(inside);
  std::thread removing([&] {
    registration.reset();
    EXPECT_TRUE(left);
    removed = true;
  });
  std::this_thread::sleep_for(50ms);
  EXPECT_FALSE(removed);
  leave = true;
  removing.join();
  faulting.join();
}

kebound_handle g_own;
kebound_status g_own_status;
kebound_answer remove_itself(const kebound_event* event, kebound_registers* registers, void*) {
  g_own_status = kebound_deregister(g_own);
  registers->ip += event->instruction_length;
  return KEBOUND_HANDLED;
}

TEST(LifeTest, A_callback_may_remove_itself) {
  g_own = kebound_register(remove_itself, nullptr);
  EXPECT_EQ(raise_bound(10, kBounds), 10);
  EXPECT_EQ(g_own_status, KEBOUND_REMOVED_INSIDE);
  EXPECT_EQ(kebound_deregister(g_own), KEBOUND_INVALID_HANDLE);
}

kebound_answer exit_on_1000(const kebound_event* event, kebound_registers* registers, void*) {
  if (event->index == 1000) pthread_exit(nullptr);
  registers->gpr[event->index_register] = 9;
  return KEBOUND_HANDLED;
}

TEST(LifeTest, A_thread_that_exits_within_a_callback_holds_nobody_up) {
  const kebound_handle handle = kebound_register(exit_on_1000, nullptr);
  for (int i = 0; i < 100; ++i) {
    pthread_t thread;
    ASSERT_EQ(pthread_create(
                  &thread, nullptr,
                  [](void*) -> void* {
                    raise_bound(1000, kBounds);
                    return nullptr;
                  },
                  nullptr),
              0);
    ASSERT_EQ(pthread_join(thread, nullptr), 0);
  }
  EXPECT_EQ(raise_bound(10, kBounds), 9);
  EXPECT_EQ(kebound_deregister(handle), KEBOUND_OK);  // would wait for ever
  const Registration next(clamp);
  std::thread([] { EXPECT_EQ(raise_bound(10, kBounds), 9); }).join();
}

TEST(LifeTest, A_forks_child_has_the_registrations_and_does_not_wait_for_threads_it_has_not) {
  std::atomic<bool> inside{false};
  std::atomic<bool> leave{false};
  auto registration = std::make_unique<Registration>([&](const Event& e, EventRegisters& r) {
    if (e.index == 1000) {
      inside = true;
      wait_for(leave);
    }
    return clamp(e, r);
  });
  EXPECT_EQ(raise_bound(10, kBounds), 9);
  std::thread other([] { raise_bound(1000, kBounds); });
  wait_for(inside);
  const pid_t child = fork();
  if (child == 0) {
    if (raise_bound(10, kBounds) != 9) _exit(1);
    registration.reset();  // the other thread's callback is not in this process
    const Registration next(clamp);
    _exit(raise_bound(-10, kBounds) == -4 ? 0 : 2);
  }
  EXPECT_EQ(status_of_child(child), 0);
  leave = true;
  other.join();
}

TEST(LifeTest, A_callback_may_fork_and_both_processes_go_on) {
  static pid_t child;
  const Registration registration([](const Event& e, EventRegisters& r) {
    if (e.index == 1000) child = fork();
    return clamp(e, r);
  });
  EXPECT_EQ(raise_bound(1000, kBounds), 9);
  if (child == 0) _exit(raise_bound(10, kBounds) == 9 ? 0 : 1);
  EXPECT_EQ(status_of_child(child), 0);
}

TEST(LifeTest, A_program_that_is_executed_starts_afresh) {
  const Registration registration(clamp);
  EXPECT_EQ(raise_bound(10, kBounds), 9);
  const pid_t child = fork();
  if (child == 0) {
    execl("/bin/sh", "sh", "-c", "kill -SEGV $$", nullptr);
    _exit(1);
  }
  const int status = status_of_child(child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

TEST(LifeTest, Registering_and_removing_under_load_loses_nothing) {
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  const Registration last(clamp);
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      while (!stop) {
        if (raise_bound(10, kBounds) != 9) ++wrong;
      }
    });
  }
  for (int i = 0; i < 500; ++i) {
    auto alive = std::make_unique<std::atomic<bool>>(true);
    {
      const Registration registration([&wrong, flag = alive.get()](const Event&, EventRegisters&) {
        if (!*flag) ++wrong;
        return Answer::ContinueSearch;
      });
      EXPECT_TRUE(registration);
    }
    *alive = false;  // and freed: nobody may look at it any more
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

// --- unwinding ---

void* g_frames[64];
int g_frame_count;
kebound_answer take_backtrace(const kebound_event* event, kebound_registers* registers, void*) {
  g_frame_count = backtrace(g_frames, 64);
  // What is right behind a trap is refused.
  registers->ip = event->trap_ip + 16;
  return KEBOUND_HANDLED;
}

void* g_caller;
[[gnu::noinline]] void fail_a_check() {
  g_caller = __builtin_return_address(0);
  __asm__ volatile(".byte 0x67, 0x0f, 0xb9, 0x40, 0x12; .skip 11, 0x90");  // clang's array-bounds
                                                                           // trap, in both modes
}

TEST(LifeTest, A_callback_can_unwind_through_the_signal_into_the_failing_code) {
  void* unused[1];
  backtrace(unused, 1);  // loads the unwinder, which a signal handler should not
  const kebound_handle handle = kebound_register(take_backtrace, nullptr);
  fail_a_check();
  EXPECT_EQ(kebound_deregister(handle), KEBOUND_OK);
  EXPECT_NE(std::find(g_frames, g_frames + g_frame_count, g_caller), g_frames + g_frame_count);
}

// --- images; these link the shared library, which sees them go ---

class Plugin {
 public:
  Plugin() : image_(dlopen(KEBOUND_TEST_PLUGIN, RTLD_NOW)) {
    EXPECT_NE(image_, nullptr) << dlerror();
  }
  Plugin(const Plugin&) = delete;
  Plugin& operator=(const Plugin&) = delete;
  ~Plugin() { EXPECT_EQ(dlclose(image_), 0); }
  template <class Function>
  Function* find(const char* name) {
    return reinterpret_cast<Function*>(dlsym(image_, name));
  }

 private:
  void* const image_;
};

TEST(LifeTest, A_plugin_that_deregisters_is_unloaded_in_silence) {
  const Registration last(clamp);
  ::testing::internal::CaptureStderr();
  {
    Plugin plugin;
    ASSERT_EQ(plugin.find<int()>("plugin_register")(), 1);
    EXPECT_EQ(raise_bound(10, kBounds), 10);
    EXPECT_EQ(plugin.find<int()>("plugin_calls")(), 1);
    plugin.find<void()>("plugin_deregister")();
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(raise_bound(10, kBounds), 9);
}

TEST(LifeTest, A_callback_left_behind_by_a_plugin_is_reported_and_removed) {
  const Registration last(clamp);
  ::testing::internal::CaptureStderr();
  {
    Plugin plugin;
    ASSERT_EQ(plugin.find<int()>("plugin_register")(), 1);
  }
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("registration-left-behind"), std::string::npos) << said;
  EXPECT_NE(said.find("plugin"), std::string::npos) << said;
  EXPECT_EQ(raise_bound(10, kBounds), 9);
}

TEST(LifeTest, Plugins_come_and_go_under_load) {
  std::atomic<bool> stop{false};
  const Registration last([](const Event& e, EventRegisters& r) {
    r.ip += e.instruction_length;
    return Answer::Handled;
  });
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      while (!stop) EXPECT_EQ(raise_bound(10, kBounds), 10);
    });
  }
  ::testing::internal::CaptureStderr();
  for (int i = 0; i < 100; ++i) {
    Plugin plugin;
    EXPECT_EQ(plugin.find<int()>("plugin_register")(), 1);
    if (i % 2 == 0) plugin.find<void()>("plugin_deregister")();
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_NE(::testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace kebound
