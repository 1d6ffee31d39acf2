// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "events/record.h"
#include "hosts/inproc_run/processes.h"
#include "hosts/inproc_run/ring_answers.h"
#include "hosts/inproc_run/ring_file.h"
#include "hosts/inproc_run/ring_reader.h"
#include "rules/rule.h"

namespace kebound::inproc_run {

// A thread that turns the ring's records into the sink's. It polls, quickly while there is
// something to do: writers are in signal handlers, and waking somebody there would cost them a
// system call.
class Drain {
 public:
  struct Totals {
    uint64_t exceptions = 0;  // dropped ones count: something happened
    uint64_t bug_checks = 0;
  };

  // `policy`: the built-in callback, as reports call it.
  // `rules`: those of the run, which live as long; may be none. `messages`: may be null.
  Drain(const RingFile& ring, events::Sink* sink, const std::string& policy,
        const std::vector<rules::Rule>& rules, events::TrapMessages* messages);
  Drain(const Drain&) = delete;
  Drain& operator=(const Drain&) = delete;
  ~Drain();

  // The first program has been executed; `path` names it if it is gone already.
  void start(pid_t first, const std::string& path);
  // A process of the run has ended. Said of it when its records have been taken.
  void on_end(pid_t pid, bool signaled, int status);
  // Every writer is gone: takes the rest, says what was lost, ends the thread.
  [[nodiscard]] Totals finish();

 private:
  struct End {
    pid_t pid;
    bool signaled;
    int status;
    int64_t time_ns;
  };

  void loop();
  // All that is there; true if there was something.
  bool drain(bool writers_gone);
  void take(const kebound_ring_record& raw);
  [[nodiscard]] bool give_up(bool writers_gone);
  void name_rule(RingRecord& record) const;
  void say_what_is_missing();

  RingReader reader_;
  RingAnswers answers_;
  events::Sink* sink_;
  const std::vector<rules::Rule>& rules_;
  std::vector<events::SharedName> rule_names_;
  Processes processes_;
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool writers_gone_ = false;  // guarded by mutex_, as is ends_
  std::vector<End> ends_;

  // The thread's own.
  pid_t first_ = 0;
  int64_t incomplete_since_ns_ = 0;  // 0: the next record is not incomplete
  uint64_t damaged_ = 0;
  Totals totals_;
};

}  // namespace kebound::inproc_run
