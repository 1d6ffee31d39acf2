// SPDX-License-Identifier: Apache-2.0
//
// Lines of the program's source, for reports that show them.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <map>
#include <string>
#include <vector>

namespace kebound::report {

struct SourceLine {
  uint32_t number = 0;
  std::string text;  // without its line end, at most SourceText::kMaxLine bytes; any bytes at all
};

// Reads files that debug information names. That is the program's word, and a report may be shown
// around: only what has a name like a source file's is read, nothing else of the user's.
class SourceText {
 public:
  static constexpr uint64_t kMaxFile = 8u << 20;
  static constexpr size_t kMaxFiles = 64;  // kept at a time
  static constexpr size_t kMaxLine = 240;

  // The lines from `line` - `around` to `line` + `around` that there are; empty if the file cannot
  // be read, is too large or has no such line.
  [[nodiscard]] std::vector<SourceLine> around(const std::string& path, uint32_t line,
                                               uint32_t around);

 private:
  struct File {
    std::string bytes;
    std::vector<size_t> begins;  // of the lines
  };
  const File& file(const std::string& path);
  std::map<std::string, File> files_;
};

// True for absolute paths that end like those of C, C++, assembler and their kin.
[[nodiscard]] bool is_source_name(const std::string& path);

}  // namespace kebound::report
