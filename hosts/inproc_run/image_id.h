// SPDX-License-Identifier: Apache-2.0
//
// Whether a file is still the one that an exception happened in.
#pragma once

#include <string>

#include "hosts/inproc_run/ring_record.h"

namespace kebound::inproc_run {

// What is at `path` now. Where it has a build ID, the rest is left out: the same build may have
// been copied, stripped or linked.
struct FileNow {
  bool readable = false;  // there is a regular file
  bool has_name = false;  // in some directory
  ImageId id;
};
[[nodiscard]] FileNow look_at_file(const std::string& path);

// True also where nothing is known of the one that was.
[[nodiscard]] bool is_same_image(const ImageId& was, const FileNow& now) noexcept;

// For people: "build ID 0123abcd", or else "inode 12 of device 8:1, 3400 bytes, changed at
// 1795000000.000000001".
[[nodiscard]] std::string describe(const ImageId& id);

}  // namespace kebound::inproc_run
