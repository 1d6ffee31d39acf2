// SPDX-License-Identifier: Apache-2.0
//
// Every bounds check of an image, and the functions that have none. docs/scan.md says what is
// counted.
#pragma once

#include <string>

#include "scan/check.h"
#include "scan/image.h"

namespace kebound::scan {

class Names;

// `names` may be null: then there are no lines, and libc++'s traps are not told from others.
[[nodiscard]] Result scan_image(const Image& image, Names* names);

// The report for people, and the one for programs (docs/scan.schema.json). `everything`: the text
// lists all functions without checks, not the first ones only.
[[nodiscard]] std::string text_report(const Result& result, bool everything);
[[nodiscard]] std::string json_report(const Result& result);

}  // namespace kebound::scan
