// SPDX-License-Identifier: Apache-2.0
#include "hosts/supervisor/callback_threads.h"

#include <signal.h>

#include <system_error>
#include <utility>

#include "hosts/supervisor/driver_fault.h"
#include "nt/pthread_parker.h"

namespace kebound::supervisor {
namespace {

thread_local UserWindow* window_of_thread = nullptr;
thread_local const UserSpace* space_of_thread = nullptr;

// Parks on a futex, outside the window.
class WindowParker final : public nt::Parker {
 public:
  void park(int64_t deadline_ns) noexcept override {
    const CallbackThreads::ScopedBlocking blocking;
    inner_.park(deadline_ns);
  }
  void unpark() noexcept override { inner_.unpark(); }

 private:
  nt::PthreadParker inner_;
};

}  // namespace

struct CallbackThreads::Shared {
  UserWindow* window;
  Run run;
  void (*wake)() noexcept;
  std::mutex mutex;
  std::condition_variable work_there;
  std::deque<std::unique_ptr<BoundStop>> work;
  std::vector<std::unique_ptr<BoundStop>> finished;
  bool ending = false;
};

CallbackThreads::ScopedBlocking::ScopedBlocking() : left_(UserWindow::inside()) {
  if (left_ && window_of_thread != nullptr) static_cast<void>(window_of_thread->leave());
}
CallbackThreads::ScopedBlocking::~ScopedBlocking() {
  if (left_ && window_of_thread != nullptr) window_of_thread->enter(*space_of_thread);
}

CallbackThreads::CallbackThreads(unsigned count, UserWindow& window, Run run,
                                 void (*wake)() noexcept)
    : shared_(std::make_shared<Shared>()) {
  shared_->window = &window;
  shared_->run = run;
  shared_->wake = wake;
  for (unsigned i = 0; i < count; ++i) {
    auto* argument = new std::shared_ptr<Shared>(shared_);
    pthread_t thread;
    if (const int error = pthread_create(&thread, nullptr, thread_main, argument); error != 0) {
      delete argument;
      throw std::system_error(error, std::generic_category(), "callback thread");
    }
    pthread_detach(thread);
  }
}

CallbackThreads::~CallbackThreads() {
  {
    const std::scoped_lock lock(shared_->mutex);
    shared_->ending = true;
  }
  shared_->work_there.notify_all();
}

void CallbackThreads::submit(std::unique_ptr<BoundStop> stop) {
  {
    const std::scoped_lock lock(shared_->mutex);
    shared_->work.push_back(std::move(stop));
  }
  shared_->work_there.notify_one();
}

std::vector<std::unique_ptr<BoundStop>> CallbackThreads::take_finished() {
  const std::scoped_lock lock(shared_->mutex);
  return std::exchange(shared_->finished, {});
}

void* CallbackThreads::thread_main(void* argument) {
  const std::unique_ptr<std::shared_ptr<Shared>> owned(
      static_cast<std::shared_ptr<Shared>*>(argument));
  Shared& shared = **owned;
  const ScopedAlternateStack alternate_stack;
  nt::adopt_host_thread();
  // Attached to the facility for good: never freed, like the registry that lists it.
  auto* const parker = new WindowParker;
  auto* const thread = new nt::Thread;
  thread->parker = parker;
  nt::Facility::attach(*thread);
  window_of_thread = shared.window;

  for (;;) {
    std::unique_ptr<BoundStop> stop;
    {
      std::unique_lock lock(shared.mutex);
      shared.work_there.wait(lock, [&] { return shared.ending || !shared.work.empty(); });
      if (shared.ending) return nullptr;
      stop = std::move(shared.work.front());
      shared.work.pop_front();
    }
    space_of_thread = stop->space;
    shared.window->enter(*stop->space);
    nt::enter_thread(thread);
    shared.run(*stop, *thread);
    nt::enter_thread(nullptr);
    static_cast<void>(shared.window->leave());
    {
      const std::scoped_lock lock(shared.mutex);
      shared.finished.push_back(std::move(stop));
    }
    shared.wake();
  }
}

}  // namespace kebound::supervisor
