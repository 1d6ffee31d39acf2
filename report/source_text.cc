// SPDX-License-Identifier: Apache-2.0
#include "report/source_text.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "report/elf_file.h"

namespace kebound::report {
namespace {

constexpr std::array<std::string_view, 34> kEndings = {
    "c",   "h",   "cc",  "cpp", "cxx", "c++", "C",   "hh",  "hpp", "hxx", "h++", "H",
    "inc", "inl", "ipp", "tcc", "txx", "def", "tbl", "y",   "yy",  "l",   "ll",  "s",
    "S",   "asm", "m",   "mm",  "rs",  "d",   "f90", "adb", "ads", "zig"};

}  // namespace

bool is_source_name(const std::string& path) {
  if (path.empty() || path[0] != '/') return false;
  const size_t slash = path.rfind('/');
  const size_t dot = path.rfind('.');
  if (dot == std::string::npos || dot < slash) {
    // The headers of the standard library have no ending: <vector>.
    return path.find("/include/c++/") != std::string::npos;
  }
  const std::string_view ending = std::string_view(path).substr(dot + 1);
  return std::find(kEndings.begin(), kEndings.end(), ending) != kEndings.end();
}

const SourceText::File& SourceText::file(const std::string& path) {
  if (const auto known = files_.find(path); known != files_.end()) return known->second;
  if (files_.size() >= kMaxFiles) files_.clear();
  File& file = files_[path];
  const auto bytes = read_regular_file(path, kMaxFile);
  if (!bytes) return file;
  file.bytes.assign(bytes->begin(), bytes->end());
  for (size_t begin = 0; begin < file.bytes.size();) {
    file.begins.push_back(begin);
    const size_t end = file.bytes.find('\n', begin);
    begin = end == std::string::npos ? file.bytes.size() : end + 1;
  }
  return file;
}

std::vector<SourceLine> SourceText::around(const std::string& path, uint32_t line,
                                           uint32_t around) {
  std::vector<SourceLine> lines;
  if (line == 0 || !is_source_name(path)) return lines;
  const File& source = file(path);
  if (line > source.begins.size()) return lines;
  const uint32_t first = line > around ? line - around : 1;
  const uint64_t last = std::min<uint64_t>(uint64_t{line} + around, source.begins.size());
  for (uint32_t number = first; number <= last; ++number) {
    const size_t begin = source.begins[number - 1];
    const size_t next = number < source.begins.size() ? source.begins[number] : source.bytes.size();
    std::string_view text = std::string_view(source.bytes).substr(begin, next - begin);
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
    lines.push_back({number, std::string(text.substr(0, kMaxLine))});
  }
  return lines;
}

}  // namespace kebound::report
