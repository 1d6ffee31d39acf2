// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdint.h>

#include <string>

#include "report/recorded.h"
#include "report/reporter.h"

namespace kebound::report {

struct RenderedReport {
  enum class Kind : uint8_t { Done, BadInput, CannotWrite };
  Kind kind = Kind::Done;
  std::string why;              // of BadInput and CannotWrite
  uint64_t line = 0;            // of BadInput, or of the partial one
  bool has_partial = false;     // the last line was cut off; it is left out
  bool has_summary = false;     // the report had come to its end
  uint64_t unknown_events = 0;  // of later versions: left out
};

// Writes the report that `options` ask for about the recorded events of `in`. A report that had not
// come to its end says so. Nothing is written before the input is known to be good where the format
// is one that is written at its end.
[[nodiscard]] RenderedReport render_recorded(RecordedFile& in, const Options& options);

}  // namespace kebound::report
