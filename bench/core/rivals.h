// SPDX-License-Identifier: Apache-2.0
//
// The same job done in two usual ways, to measure core/ against: add, remove that waits for running
// invocations, dispatch newest first.
#pragma once

#include <urcu/rculist.h>
#include <urcu/urcu-memb.h>

#include <condition_variable>
#include <list>
#include <mutex>

#include "core/status.h"

namespace kebound::bench {

using Routine = RawAnswer (*)();

// A list under a mutex. The mutex is not held while a callback runs (CONTRACT, Dispatch), so each
// call is counted.
class MutexListRegistry {
 public:
  struct Entry {
    Routine routine;
    int running = 0;
    bool dead = false;
  };
  using Handle = std::list<Entry>::iterator;

  Handle add(Routine routine) {
    const std::lock_guard lock(mutex_);
    entries_.push_front(Entry{routine});
    return entries_.begin();
  }

  void remove(Handle entry) {
    std::unique_lock lock(mutex_);
    entry->dead = true;
    left_.wait(lock, [&] { return entry->running == 0; });
    entries_.erase(entry);
  }

  RawAnswer dispatch() {
    std::unique_lock lock(mutex_);
    for (auto entry = entries_.begin(); entry != entries_.end();) {
      if (entry->dead) {
        ++entry;
        continue;
      }
      ++entry->running;  // keeps the entry in the list
      lock.unlock();
      const RawAnswer answer = entry->routine();
      lock.lock();
      const bool last_out = --entry->running == 0 && entry->dead;
      ++entry;
      if (last_out) left_.notify_all();
      if (answer != kAnswerContinueSearch) return answer;
    }
    return kAnswerContinueSearch;
  }

 private:
  std::mutex mutex_;
  std::condition_variable left_;
  std::list<Entry> entries_;
};

// A list under liburcu (memb flavour). Every thread that dispatches is registered with rcu. A
// removal waits for all dispatches, whatever callback they are in, so it promises more waiting than
// CONTRACT allows.
class RcuListRegistry {
 public:
  struct Entry {
    cds_list_head node;
    rcu_head head;
    Routine routine;
  };
  using Handle = Entry*;

  RcuListRegistry() { CDS_INIT_LIST_HEAD(&entries_); }

  Handle add(Routine routine) {
    auto* entry = new Entry{};
    entry->routine = routine;
    const std::lock_guard lock(mutex_);
    cds_list_add_rcu(&entry->node, &entries_);
    return entry;
  }

  void remove(Handle entry) {
    unlink(entry);
    urcu_memb_synchronize_rcu();
    delete entry;
  }

  // Does not wait, and so does not promise that no invocation runs: another, weaker contract, shown
  // for its price.
  void remove_later(Handle entry) {
    unlink(entry);
    urcu_memb_call_rcu(&entry->head,
                       [](rcu_head* head) { delete caa_container_of(head, Entry, head); });
  }

  RawAnswer dispatch() {
    RawAnswer answer = kAnswerContinueSearch;
    urcu_memb_read_lock();
    for (const cds_list_head* node = rcu_dereference(entries_.next); node != &entries_;
         node = rcu_dereference(node->next)) {
      answer = caa_container_of(node, Entry, node)->routine();
      if (answer != kAnswerContinueSearch) break;
    }
    urcu_memb_read_unlock();
    return answer;
  }

 private:
  void unlink(Entry* entry) {
    const std::lock_guard lock(mutex_);
    cds_list_del_rcu(&entry->node);
  }

  std::mutex mutex_;
  cds_list_head entries_;
};

}  // namespace kebound::bench
