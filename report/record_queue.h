// SPDX-License-Identifier: Apache-2.0
//
// The bounded queue between the hosts' threads and the writer. What it is built for: putting a
// record in costs a tracer well under a microsecond, so nobody is woken per record. The writer naps
// between batches; only the first record after a quiet time wakes it.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <condition_variable>
#include <mutex>
#include <vector>

#include "events/record.h"

namespace kebound::report {

class RecordQueue {
 public:
  explicit RecordQueue(size_t capacity);

  // Producers. Blocks while full; false (and the record is dropped) after close().
  // Context: any thread.
  bool put(events::Record&& record);
  // Waits until all that was put before is done(); returns at once after close().
  void wait_until_done();
  // No more records are wanted; waiting producers return.
  void close();

  // The writer. Waits for records and takes all there are into `batch` (which must be empty); false
  // when the queue is closed and empty.
  bool take(std::vector<events::Record>& batch);
  // What take() gave has been written.
  void done();

 private:
  enum class Writer : uint8_t {
    Working,  // looks again by itself
    Napping,  // looks again within kNap; woken only by what is urgent
    Idle,     // sleeps until woken
  };
  [[nodiscard]] bool is_urgent_locked() const;

  const size_t capacity_;
  std::mutex mutex_;
  std::condition_variable writer_;     // the writer waits here
  std::condition_variable producers_;  // for room
  std::condition_variable flushers_;   // for done()
  std::vector<events::Record> pending_;
  Writer state_ = Writer::Working;
  bool closed_ = false;
  size_t waiting_producers_ = 0;
  size_t waiting_flushers_ = 0;
  uint64_t put_ = 0;
  uint64_t taken_ = 0;
  uint64_t done_ = 0;
};

}  // namespace kebound::report
