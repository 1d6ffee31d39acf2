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

// How many functions without checks the text lists unless everything is asked for.
inline constexpr size_t kFewFunctions = 20;

// `names` may be null: then there are no lines, and libc++'s traps are not told from others.
// `everything`: the source lines of all functions without checks are wanted, not only of the first
// kFewFunctions; looking them up takes most of the time.
[[nodiscard]] Result scan_image(const Image& image, Names* names, bool everything = true);

// The report for people, and the one for programs (docs/scan.schema.json). `everything`: the text
// lists all functions without checks, not the first ones only.
[[nodiscard]] std::string text_report(const Result& result, bool everything);
[[nodiscard]] std::string json_report(const Result& result);

}  // namespace kebound::scan
