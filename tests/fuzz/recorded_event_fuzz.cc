// SPDX-License-Identifier: Apache-2.0
//
// The input is one line of a JSON Lines report. Either it is refused with a reason, or what it says can
// be written down again, and then reads the same.
#include <string>
#include <string_view>
#include <variant>

#include "report/jsonl.h"
#include "report/recorded.h"
#include "tests/fuzz/fuzz_target.h"

using kebound::fuzz::fail_if;
using namespace kebound::report;

namespace {

std::string written(RecordedLine& line) {
  std::string text;
  RecordedResolver resolver;
  JsonlRenderer renderer(resolver);
  if (line.summary) {
    renderer.finish(*line.summary, line.time_ns, text);
  } else if (line.record) {
    resolver.admit(line);
    renderer.render(*line.record, text);
  }
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto parsed = parse_recorded_line({reinterpret_cast<const char*>(data), size});
  if (const auto* error = std::get_if<RecordedError>(&parsed)) {
    fail_if(error->why.empty() ? "refused without a reason" : "");
    return 0;
  }
  std::string text = written(std::get<RecordedLine>(parsed));
  if (text.empty()) return 0;  // an event of a later version
  fail_if(text.find('\n') == text.size() - 1 ? "" : "more than one line");
  text.pop_back();
  auto again = parse_recorded_line(text);
  const auto* error = std::get_if<RecordedError>(&again);
  fail_if(error != nullptr ? "what was written is refused: " + error->why : "");
  fail_if(written(std::get<RecordedLine>(again)) == text + "\n" ? "" : "it reads differently");
  return 0;
}
