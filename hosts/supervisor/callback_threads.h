// SPDX-License-Identifier: Apache-2.0
//
// --callback-threads: callbacks on threads of their own, for drivers that block by other means than
// the NT face's waits. Each exception then pays for two thread switches.
#pragma once

#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "hosts/supervisor/bound_stop.h"

namespace kebound::supervisor {

class CallbackThreads {
 public:
  // `run` is called on a callback thread; `wake` from it when an answer is there to collect.
  using Run = void (*)(BoundStop& stop, nt::Thread& thread);
  CallbackThreads(unsigned count, UserWindow& window, Run run, void (*wake)() noexcept);
  CallbackThreads(const CallbackThreads&) = delete;
  CallbackThreads& operator=(const CallbackThreads&) = delete;
  // A thread that is inside a callback is left behind: it cannot be stopped, and the process is
  // about to end.
  ~CallbackThreads();

  void submit(std::unique_ptr<BoundStop> stop);
  // What has been answered since the last call.
  [[nodiscard]] std::vector<std::unique_ptr<BoundStop>> take_finished();

  // A wait of core/ on a callback thread: it does not keep other address spaces out of the user
  // window.
  class ScopedBlocking {
   public:
    ScopedBlocking();
    ScopedBlocking(const ScopedBlocking&) = delete;
    ScopedBlocking& operator=(const ScopedBlocking&) = delete;
    ~ScopedBlocking();

   private:
    bool left_;
  };

 private:
  struct Shared;  // outlives threads that are left behind
  static void* thread_main(void* shared);
  std::shared_ptr<Shared> shared_;
};

}  // namespace kebound::supervisor
