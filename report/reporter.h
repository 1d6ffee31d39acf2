// SPDX-License-Identifier: Apache-2.0
//
// From records to a report, off the hot path: a bounded queue and one writer thread that
// symbolizes, renders and writes.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <memory>
#include <string>
#include <vector>

#include "events/record.h"

namespace kebound::report {

enum class Format : uint8_t {
  Text,     // for people: one block per new place, repeats counted, a summary at the end
  Jsonl,    // for programs: one JSON object per record (docs/protocol.md)
  Sarif,    // for code-scanning tools: one SARIF 2.1.0 log, written by finish()
  Html,     // for people: one HTML page, written by finish()
  Journal,  // entries of the system's journal; nothing goes to `fd`
  None,     // nothing is written; records are only counted
};

struct Options {
  Format format = Format::Text;
  // Where the report goes. Borrowed: must stay open until finish() returned; never closed here. Its
  // flags are left alone (it may be shared with the target); a non-blocking one is waited for.
  int fd = 2;
  // Text: ANSI colours. The caller decides (terminal, NO_COLOR); JSON is never coloured.
  bool colour = false;
  // Text: programs that start and exit, drivers that come and go, and every repeated exception on a
  // line of its own.
  bool verbose = false;
  // A line behind each new place, for a rules file: it keeps exceptions like that out of reports.
  bool gen_suppressions = false;
  // Text: Intel instead of AT&T syntax for instructions.
  bool intel_syntax = false;
  // Sarif: files below this directory are named relative to it. Html: the same, to be short.
  std::string source_root;
  // Sarif, Html: the command line, as the report shows it; empty: not known.
  std::vector<std::string> command;
  // Debug files by build ID or .gnu_debuglink are looked for here; colon-separated directories.
  std::string debug_path = "/usr/lib/debug";
  // Records that may wait for the writer; accept() blocks at that many. At least 2 are used.
  size_t queue_capacity = 4096;
};

// What became of the exceptions that one rule of --rules was about.
struct RuleTally {
  std::string place;  // "rules.txt:12"
  std::string text;   // as it was written
  uint64_t matched = 0;
  uint64_t reported = 0;
  uint64_t suppressed =
      0;  // by ignore and quiet; the rest of matched is beyond once, first, sample
};

// What a whole run came to; counted for every format.
struct Totals {
  uint64_t exceptions = 0;  // handled + propagated + terminated
  uint64_t handled = 0;
  uint64_t propagated = 0;
  uint64_t terminated = 0;
  uint64_t bug_checks = 0;
  uint64_t verifier = 0;
  uint64_t missing = 0;  // events that happened and are not in the report
  // Exceptions that rules kept out of it: not among those above.
  uint64_t suppressed = 0;
  uint64_t limited = 0;
  std::vector<RuleTally> rules = {};  // in the order in which they are asked; used or not
};

struct FinishResult {
  bool ok = true;   // every record was written
  int error = 0;    // errno of the first write that failed, 0 if ok
  std::string why;  // "cannot write the report: No space left on device (3 of 812 records are
                    // missing)"; empty if ok
  Totals totals;
};

// Context: construct and finish() on one thread; accept() and flush() on any thread, never in a
// signal handler. The writer thread has every signal blocked. Not to be used across fork().
// Construct it before tracing begins: it forks a process that reads the target's files (nobody's
// child, gone with this one).
class Reporter final : public events::Sink {
 public:
  // Starts the writer thread (none for Format::None). Throws std::system_error if no thread can be
  // had.
  explicit Reporter(const Options& options);
  Reporter(const Reporter&) = delete;
  Reporter& operator=(const Reporter&) = delete;
  // finish() if that was not called.
  ~Reporter() override;

  // Queues one record; what was accepted is written within about 100 ms. Blocks while the queue is
  // full: nothing is dropped. A BugCheckRecord returns only when all records up to it are written,
  // since the process may end right after. After finish(), or after a failed write, records are
  // counted and discarded.
  void accept(events::Record&& record) override;

  // Waits until everything accepted before the call is written; false if writing has failed.
  bool flush();

  // What the rules of the run came to, for the summary. Context: once, before finish().
  void add_rules(std::vector<RuleTally> rules);

  // Drains, writes the summary, ends the writer thread. Idempotent: later calls return the same
  // result.
  FinishResult finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kebound::report
