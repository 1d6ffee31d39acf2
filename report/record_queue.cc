// SPDX-License-Identifier: Apache-2.0
#include "report/record_queue.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace kebound::report {
namespace {

// Long enough that a busy tracer meets a sleeping writer rarely, short enough for somebody watching
// the report.
constexpr std::chrono::milliseconds kNap{20};

}  // namespace

RecordQueue::RecordQueue(size_t capacity) : capacity_(std::max<size_t>(capacity, 2)) {
  pending_.reserve(capacity_);
}

bool RecordQueue::is_urgent_locked() const {
  return closed_ || waiting_flushers_ != 0 || pending_.size() >= capacity_ / 2;
}

bool RecordQueue::put(events::Record&& record) {
  std::unique_lock lock(mutex_);
  if (pending_.size() >= capacity_ && !closed_) {
    ++waiting_producers_;
    producers_.wait(lock, [&] { return pending_.size() < capacity_ || closed_; });
    --waiting_producers_;
  }
  if (closed_) return false;
  pending_.push_back(std::move(record));
  ++put_;
  const bool wake =
      state_ == Writer::Idle || (state_ == Writer::Napping && pending_.size() == capacity_ / 2);
  if (wake) {
    state_ = Writer::Working;  // one wake-up is enough
    lock.unlock();
    writer_.notify_one();
  }
  return true;
}

void RecordQueue::wait_until_done() {
  std::unique_lock lock(mutex_);
  const uint64_t wanted = put_;
  if (done_ >= wanted) return;
  ++waiting_flushers_;
  writer_.notify_one();
  flushers_.wait(lock, [&] { return done_ >= wanted; });
  --waiting_flushers_;
}

void RecordQueue::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  writer_.notify_one();
  producers_.notify_all();
}

bool RecordQueue::take(std::vector<events::Record>& batch) {
  std::unique_lock lock(mutex_);
  if (!is_urgent_locked()) {
    state_ = Writer::Napping;
    writer_.wait_for(lock, kNap, [&] { return is_urgent_locked(); });
  }
  if (pending_.empty() && !closed_) {
    state_ = Writer::Idle;
    writer_.wait(lock, [&] { return !pending_.empty() || closed_; });
  }
  state_ = Writer::Working;
  if (pending_.empty()) return false;
  batch.swap(pending_);
  pending_.reserve(capacity_);
  taken_ = put_;
  if (waiting_producers_ != 0) producers_.notify_all();
  return true;
}

void RecordQueue::done() {
  const std::lock_guard lock(mutex_);
  done_ = taken_;
  if (waiting_flushers_ != 0) flushers_.notify_all();
}

}  // namespace kebound::report
