// SPDX-License-Identifier: Apache-2.0
//
// What each kind of failed check is, as reports that sort by rules explain it.
#pragma once

#include <string>

#include "trap/bound_event.h"

namespace kebound::report {

struct CheckRule {
  std::string id;           // "clang-trap/array-bounds": stable, never reused
  std::string name;         // "ClangTrapArrayBounds"
  std::string summary;      // one sentence: what failed
  std::string explanation;  // what found it, and what to do
  const char* cwe = "";     // "cwe-129"
};

[[nodiscard]] CheckRule check_rule(BoundSource source, CheckKind check);

}  // namespace kebound::report
