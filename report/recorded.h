// SPDX-License-Identifier: Apache-2.0
//
// JSON Lines reports (docs/protocol.md) read back. They come from outside: nothing in them is
// believed before it is checked.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "events/record.h"
#include "report/reporter.h"
#include "report/resolver.h"

namespace kebound::report {

// What one line says.
struct RecordedLine {
  std::optional<events::Record> record;  // none: the summary, or an event of a later version
  std::optional<Totals> summary;
  int64_t time_ns = 0;
  // Of a bound exception: what was found out about its code when it was recorded.
  Location location;
  std::vector<StackFrame> stack;
};

struct RecordedError {
  std::string why;  // "the member 'ip' is missing"
};

// `line` is without its line end. Throws nothing but std::bad_alloc.
[[nodiscard]] std::variant<RecordedLine, RecordedError> parse_recorded_line(std::string_view line);

// The bytes behind a string of the protocol: U+EF80 to U+EFFF are bytes that were no UTF-8.
[[nodiscard]] std::string raw_bytes(std::string_view text);

// Answers renderers from what was recorded. An exception that is to be rendered goes through
// admit() right before.
class RecordedResolver final : public Resolver {
 public:
  // Gives the exception of `line` the modules and the stack that lead to its recorded location.
  void admit(RecordedLine& line);
  Location locate(const events::ModuleMap& modules, uint64_t address) override;
  std::vector<StackFrame> backtrace(const x86::Registers& registers,
                                    const events::StackSnapshot& stack,
                                    const events::ModuleMap& modules) override;

 private:
  const RecordedLine* line_ = nullptr;
  // One module map per place, so that a repeated one is known to be the same.
  std::map<std::string, std::shared_ptr<const events::ModuleMap>> maps_;
  uint64_t next_generation_ = 0;
};

// The lines of a report, one after the other.
class RecordedFile {
 public:
  static constexpr size_t kMaxLine = 4u << 20;

  // Borrows `fd`, which may be a pipe.
  explicit RecordedFile(int fd) : fd_(fd) {}

  enum class Next : uint8_t {
    Line,
    End,
    Partial,  // the end, behind a line that was cut off: whoever wrote it was killed, or is writing
    Error,
  };
  // Empty lines are passed over.
  [[nodiscard]] Next next(RecordedLine& line);
  // Of what next() returned last.
  [[nodiscard]] uint64_t line_number() const noexcept { return number_; }
  [[nodiscard]] const std::string& error() const noexcept { return error_; }

 private:
  // False at the end, and on errors, which are in error_.
  bool take_line(std::string& line, bool& is_complete);

  const int fd_;
  std::string buffer_;
  size_t position_ = 0;
  bool at_end_ = false;
  uint64_t number_ = 0;
  std::string error_;
};

}  // namespace kebound::report
