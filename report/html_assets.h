// SPDX-License-Identifier: Apache-2.0
//
// The files of report/html, embedded by the build.
#pragma once

namespace kebound::report {

extern const char kHtmlStyle[];
extern const char kHtmlScript[];

}  // namespace kebound::report
