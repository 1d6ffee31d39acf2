// SPDX-License-Identifier: Apache-2.0
#include "report/suppression.h"

#include "report/escape.h"
#include "rules/suggestion.h"

namespace kebound::report {

rules::Site site_of(const BoundEvent& event, const Location& location) {
  rules::Site site;
  site.source = source_name(event.source);
  if (event.check != CheckKind::Unknown) site.check = check_kind_name(event.check);
  site.module = location.module;
  site.build_id = location.build_id;
  site.offset = location.offset;
  for (const SourceFrame& frame : location.frames) {
    site.here.push_back({frame.function, frame.file, frame.line});
  }
  return site;
}

std::string suppression(const BoundEvent& event, const Location& location) {
  std::string rule = rules::suggest_rule(site_of(event, location));
  // It goes to terminals as it is, so what may not is left to the pattern.
  if (escaped(rule) != rule) {
    for (char& c : rule) {
      if (static_cast<unsigned char>(c) >= 0x80) c = '?';
    }
  }
  return rule;
}

}  // namespace kebound::report
