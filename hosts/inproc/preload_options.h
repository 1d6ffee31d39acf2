// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stddef.h>

#include "hosts/inproc/policy.h"
#include "include/kebound/kebound.h"
#include "trap/calls/call_source.h"

namespace kebound::inproc {

// What KEBOUND_OPTIONS says to a preloaded library: a subset of the options of `kebound run`.
struct PreloadOptions {
  kebound_options library = KEBOUND_OPTIONS_INIT;
  OnBound on_bound = OnBound::Propagate;
  bool report = true;
  calls::FamilySet calls = calls::kAllFamilies;
};

// Words separated by blanks: --on-bound, --profile, --livelock-limit, --report (text, none), --calls (all,
// none, or families with commas between), each
// with its value as the next word or behind "=", and --no-compiler-traps. False, with the word that
// was not understood in `wrong` (cut to `size`, with a 0): the rest is taken as it is. Context:
// anywhere.
[[nodiscard]] bool parse_preload_options(const char* text, PreloadOptions& options, char* wrong,
                                         size_t size) noexcept;

}  // namespace kebound::inproc
