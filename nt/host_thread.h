// SPDX-License-Identifier: Apache-2.0
//
// For hosts whose threads are the C++ library's: one of them as an NT thread.
#pragma once

#include <stdint.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "nt/facility.h"
#include "nt/pthread_parker.h"
#include "nt/thread.h"

namespace kebound::nt {

// Lives as long as the process, as the facility demands: nobody deletes one.
struct HostThread {
  PthreadParker parker;
  Thread thread;

  explicit HostThread(uint64_t pid = 0, uint64_t tid = 0) {
    thread.parker = &parker;
    thread.client_pid = pid;
    thread.client_tid = tid;
    Facility::attach(thread);
  }
  // Context: on the thread that it stands for.
  void enter() {
    adopt_host_thread();
    enter_thread(&thread);
  }
};

// Runs `fn` as NT code on a thread of its own (DriverEntry, DriverUnload). False if the host died
// first, which `dead` says under `mutex`: then `fn` may never come back. The three outlive it.
[[nodiscard]] inline bool run_on_thread_of_its_own(std::mutex& mutex,
                                                   std::condition_variable& changed,
                                                   const bool& dead, void (*fn)(void*),
                                                   void* argument) {
  // Shared with the thread, which may outlive this call.
  auto done = std::make_shared<bool>(false);
  std::thread runner([fn, argument, done, &mutex, &changed] {
    (new HostThread)->enter();
    fn(argument);
    const std::lock_guard lock(mutex);
    *done = true;
    changed.notify_all();
  });
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return *done || dead; });
  const bool is_over = *done;
  lock.unlock();
  if (is_over) {
    runner.join();
  } else {
    runner.detach();
  }
  return is_over;
}

}  // namespace kebound::nt
