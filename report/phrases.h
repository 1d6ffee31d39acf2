// SPDX-License-Identifier: Apache-2.0
//
// What all formats for people say in the same words. Everything that comes from the program is
// escaped for a terminal (escape.h); HTML escapes it once more for itself.
#pragma once

#include <stdint.h>

#include <string>
#include <string_view>
#include <vector>

#include "report/location.h"
#include "report/sites.h"
#include "trap/bound_event.h"

namespace kebound::report {

[[nodiscard]] std::string_view base_name(std::string_view path);

// "pick()", "lib::pick(int)", "an unknown function"
[[nodiscard]] std::string called(const SourceFrame& frame);
// "guest.c:14"; "" if the file is not known.
[[nodiscard]] std::string source_line(const SourceFrame& frame, bool full_path);
// "guest+0x11d6"; "" for code that belongs to no file.
[[nodiscard]] std::string module_offset(const Location& location);
// "in pick() at guest.c:14", or what else is known.
[[nodiscard]] std::string where(const Location& location, uint64_t ip);

// "index 12 outside [0, 9]"; what is not known is not said.
[[nodiscard]] std::string violation(const BoundEvent& event);
// The same of all exceptions at a site: "index 10 to 15 outside [0, 9]".
[[nodiscard]] std::string violation(const Site& site);
// "12", "10 to 15"
[[nodiscard]] std::string values(const Span& span);

// What the check says of itself: by the host, else by the debug information. Any bytes.
[[nodiscard]] const std::string& detail_of(const events::BoundException& exception,
                                           const Location& location);

// "SIGSEGV to the program": what happens when the exception propagates.
[[nodiscard]] const char* fate_of(BoundSource source);

// How a handled exception goes on: "eax 12 -> 9; runs the check again at 0x8049000".
[[nodiscard]] std::string resumption(const events::BoundException& exception);
// "handled: eax 12 -> 9; ...", "propagated: SIGSEGV to the program"
[[nodiscard]] std::string outcome(const events::BoundException& exception);

// The words as one would type them into a shell, on one line.
[[nodiscard]] std::string shell_line(const std::vector<std::string>& words);

// "2026-11-25T22:40:08.123Z", in UTC; with fewer digits the less exact form.
[[nodiscard]] std::string utc_time(int64_t time_ns, unsigned fraction_digits = 3);

}  // namespace kebound::report
