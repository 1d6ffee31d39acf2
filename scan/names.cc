// SPDX-License-Identifier: Apache-2.0
#include "scan/names.h"

#include <limits.h>
#include <stdlib.h>

#include <algorithm>

namespace kebound::scan {
namespace {

constexpr uint64_t kPageMask = 4095;
constexpr std::string_view kFailed = " failed: ";

// The C++ library's headers, and the system's: FORTIFY's checks are inline functions there.
bool is_library(const std::string& file) {
  return file.find("/c++/") != std::string::npos || file.starts_with("/usr/include/");
}

std::string absolute(const std::string& path) {
  const std::unique_ptr<char, void (*)(void*)> full(realpath(path.c_str(), nullptr), free);
  return full ? std::string(full.get()) : path;
}

}  // namespace

// The image as if it were mapped where it asks for.
Names::Names(const Image& image, const std::string& path)
    : resolver_(report::make_isolated_resolver("/usr/lib/debug")) {
  const std::string full = absolute(path);
  map_.generation = 1;
  map_.is_64bit = image.mode() == CodeMode::Bits64;
  for (const report::LoadSegment& segment : image.file().segments()) {
    const uint64_t slack = segment.address & kPageMask;
    if (slack > segment.offset) continue;  // no loader would map it
    events::Mapping mapping;
    mapping.begin = segment.address - slack;
    // Variables that begin as zero are behind it, as the loader has them.
    mapping.end = (segment.address + segment.file_size + kPageMask) & ~kPageMask;
    mapping.file_offset = segment.offset - slack;
    mapping.executable = segment.executable;
    mapping.path = mapping.open_path = full;
    map_.mappings.push_back(std::move(mapping));
  }
  std::stable_sort(map_.mappings.begin(), map_.mappings.end(),
                   [](const auto& a, const auto& b) { return a.begin < b.begin; });
}

report::Location Names::locate(uint64_t address) {
  if (!resolver_) return {};
  const std::lock_guard lock(asking_);
  return resolver_->locate(map_, address);
}

std::vector<report::SourceFrame> Names::frames_at(uint64_t address) {
  return locate(address).frames;
}

std::optional<x86::ArrayNest> Names::arrays_at(uint64_t address) {
  if (!resolver_) return std::nullopt;
  const std::lock_guard lock(asking_);
  return resolver_->arrays_at(map_, address);
}

std::optional<x86::FunctionFacts> Names::function_at(uint64_t address) {
  if (!resolver_) return std::nullopt;
  const std::lock_guard lock(asking_);
  return resolver_->function_at(map_, address);
}

Place place_of(const std::vector<report::SourceFrame>& frames) {
  const report::SourceFrame* best = nullptr;
  for (const report::SourceFrame& frame : frames) {
    if (frame.line == 0 || frame.file.empty()) continue;
    if (best == nullptr || (is_library(best->file) && !is_library(frame.file))) best = &frame;
  }
  return best != nullptr ? Place{best->file, best->line} : Place{};
}

std::string Names::hardening_message_at(uint64_t address) {
  const std::string message = locate(address).trap_message;
  // "category: file:line: assertion condition failed: message\n"
  std::string_view text = message;
  if (const size_t failed = text.find(kFailed); failed != text.npos) {
    text.remove_prefix(failed + kFailed.size());
  } else if (const size_t category = text.find(": "); category != text.npos) {
    text.remove_prefix(category + 2);
  }
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  if (text.empty() && !message.empty()) return "assertion";
  return std::string(text);
}

}  // namespace kebound::scan
