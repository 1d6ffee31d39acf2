// SPDX-License-Identifier: Apache-2.0
#include "report/render_recorded.h"

#include <string.h>

#include <utility>
#include <variant>

#include "report/output.h"
#include "report/renderer.h"

namespace kebound::report {
namespace {

constexpr size_t kWriteSize = 64 * 1024;

void count(const events::Record& record, Totals& totals) {
  if (const auto* exception = std::get_if<events::BoundException>(&record)) {
    ++totals.exceptions;
    switch (exception->disposition) {
      case events::Disposition::Handled:
        ++totals.handled;
        break;
      case events::Disposition::Propagated:
        ++totals.propagated;
        break;
      case events::Disposition::Terminated:
        ++totals.terminated;
        break;
    }
  } else if (std::holds_alternative<events::BugCheckRecord>(record)) {
    ++totals.bug_checks;
  } else if (std::holds_alternative<events::VerifierRecord>(record)) {
    ++totals.verifier;
  }
}

class Rendering {
 public:
  explicit Rendering(const Options& options)
      : options_(options), renderer_(make_renderer(options, resolver_)) {}

  void take(RecordedLine& line, RenderedReport& result) {
    last_ns_ = line.time_ns;
    result.has_summary = line.summary.has_value();
    if (line.summary) {
      totals_.missing += line.summary->missing;
    } else if (!line.record) {
      ++result.unknown_events;
    } else {
      resolver_.admit(line);
      count(*line.record, totals_);
      renderer_->render(*line.record, text_);
    }
    if (text_.size() >= kWriteSize) write(result);
  }

  void finish(RenderedReport& result) {
    // A JSON Lines report without a summary is known to be incomplete; the others have to say it.
    const bool is_jsonl = options_.format == Format::Jsonl;
    if (!result.has_summary && !is_jsonl) {
      const events::Record remark = events::VerifierRecord{
          last_ns_,
          0,
          0,
          "report-incomplete",
          "",
          "",
          "the recorded events end without a summary: what happened later is not in them",
          0};
      count(remark, totals_);
      renderer_->render(remark, text_);
    }
    if (result.has_summary || !is_jsonl) renderer_->finish(totals_, last_ns_, text_);
    write(result);
  }

 private:
  void write(RenderedReport& result) {
    int error = renderer_->error();
    if (error == 0) error = write_all(options_.fd, text_);
    text_.clear();
    if (error == 0) return;
    result.kind = RenderedReport::Kind::CannotWrite;
    result.why = std::string("cannot write the report: ") + strerror(error);
  }

  const Options& options_;
  RecordedResolver resolver_;
  std::unique_ptr<Renderer> renderer_;
  std::string text_;
  Totals totals_;
  int64_t last_ns_ = 0;
};

}  // namespace

RenderedReport render_recorded(RecordedFile& in, const Options& options) {
  RenderedReport result;
  Rendering rendering(options);
  for (RecordedLine line; result.kind == RenderedReport::Kind::Done;) {
    switch (in.next(line)) {
      case RecordedFile::Next::Line:
        rendering.take(line, result);
        break;
      case RecordedFile::Next::Partial:
        result.has_partial = true;
        result.has_summary = false;
        result.line = in.line_number();
        rendering.finish(result);
        return result;
      case RecordedFile::Next::End:
        rendering.finish(result);
        return result;
      case RecordedFile::Next::Error:
        result.kind = RenderedReport::Kind::BadInput;
        result.why = in.error();
        result.line = in.line_number();
        break;
    }
  }
  return result;
}

}  // namespace kebound::report
