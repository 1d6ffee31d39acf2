// SPDX-License-Identifier: Apache-2.0
//
// The report as entries of the system's journal, through libsystemd where it is installed. It is
// looked for at run time: kebound does not depend on it.
#pragma once

#include <sys/uio.h>

#include <memory>
#include <string>
#include <vector>

#include "report/renderer.h"
#include "report/resolver.h"
#include "report/sites.h"

namespace kebound::report {

// One entry's fields, "NAME=value" each; values may hold any bytes.
using JournalFields = std::vector<std::string>;

// Where entries go. Context: one thread.
class JournalSink {
 public:
  virtual ~JournalSink() = default;
  // 0, or the errno of what went wrong.
  virtual int send(const JournalFields& fields) = 0;
};

// libsystemd's sd_journal_sendv. Null, and `why` filled: there is no libsystemd, or no journal
// runs.
[[nodiscard]] std::unique_ptr<JournalSink> open_journal(std::string& why);

// Over open_journal(); without a journal its error() says so at the first entry.
[[nodiscard]] std::unique_ptr<Renderer> make_journal_renderer(bool verbose, Resolver& resolver);

class JournalRenderer final : public Renderer {
 public:
  // `verbose`: an entry for every exception, not only for the first at each place and outcome.
  JournalRenderer(std::unique_ptr<JournalSink> sink, bool verbose, Resolver& resolver);
  void render(const events::Record& record, std::string& out) override;
  void finish(const Totals& totals, int64_t time_ns, std::string& out) override;
  [[nodiscard]] int error() const override { return error_; }

 private:
  void exception(const events::BoundException& exception);
  void send(const JournalFields& fields);

  std::unique_ptr<JournalSink> sink_;
  const bool verbose_;
  Sites sites_;
  int error_ = 0;
};

}  // namespace kebound::report
