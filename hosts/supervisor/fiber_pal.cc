// SPDX-License-Identifier: Apache-2.0
//
// core/pal.h for the supervisor: a fiber that waits is parked, any other thread waits on a futex.
#include <mutex>
#include <vector>

#include "core/pal.h"
#include "hosts/posix/futex.h"
#include "hosts/supervisor/callback_threads.h"
#include "hosts/supervisor/fiber.h"

namespace kebound::pal {
namespace {

struct Waiter {
  const uint64_t* word;
  supervisor::Fiber* fiber;
};

// Only deregistrations that found their callback running come here; never a dispatch.
std::mutex waiters_mutex;
std::vector<Waiter> waiters;

}  // namespace

void wait_while_equal(const uint64_t* word, uint64_t value) noexcept {
  supervisor::Fiber* const fiber = supervisor::FiberScheduler::current();
  if (fiber == nullptr) {
    // A callback thread waits outside the user window: who it waits for may be waiting to come in.
    const supervisor::CallbackThreads::ScopedBlocking blocking;
    posix::futex_wait(word, value);
    return;
  }
  {
    const std::scoped_lock lock(waiters_mutex);
    waiters.push_back({word, fiber});
  }
  // After the entry is listed, so that a wake_all() between the change and the list is not missed.
  if (__atomic_load_n(word, __ATOMIC_SEQ_CST) == value) fiber->park(INT64_MAX);
  const std::scoped_lock lock(waiters_mutex);
  std::erase_if(waiters, [&](const Waiter& w) { return w.word == word && w.fiber == fiber; });
}

void wake_all(const uint64_t* word) noexcept {
  {
    const std::scoped_lock lock(waiters_mutex);
    for (const Waiter& waiter : waiters) {
      if (waiter.word == word) waiter.fiber->unpark();
    }
  }
  posix::futex_wake_all(word);
}

}  // namespace kebound::pal
