// SPDX-License-Identifier: Apache-2.0
#include "report/uris.h"

#include <stdint.h>

namespace kebound::report {
namespace {

bool is_path_character(char character) {
  const bool is_letter =
      (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z');
  return is_letter || (character >= '0' && character <= '9') ||
         std::string_view("-._~/!$&'()*+,;=@").find(character) != std::string_view::npos;
}

}  // namespace

std::string percent_encoded(std::string_view path) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char character : path) {
    if (is_path_character(character)) {
      out += character;
    } else {
      const auto byte = static_cast<uint8_t>(character);
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

std::string normalized(std::string_view path) {
  const bool is_absolute = !path.empty() && path[0] == '/';
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    const size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    if (part.empty() || part == ".") continue;
    if (part == ".." && !parts.empty() && parts.back() != "..") {
      parts.pop_back();
    } else if (part != ".." || !is_absolute) {
      parts.push_back(part);
    }
  }
  std::string out = is_absolute ? "/" : "";
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i != 0) out += '/';
    out += parts[i];
  }
  return out;
}

Artifacts::Artifacts(std::string_view root) {
  if (root.empty() || root[0] != '/') return;
  root_ = normalized(root);
  if (root_ != "/") root_ += '/';
  root_uri_ = "file://" + percent_encoded(root_);
}

size_t Artifacts::number(const std::string& path, bool is_binary) {
  const auto [known, is_new] = numbers_.try_emplace(path, items_.size());
  if (!is_new) return known->second;
  Item item;
  item.is_binary = is_binary;
  const auto clean = normalized(path);
  if (!root_.empty() && clean.size() > root_.size() && clean.starts_with(root_)) {
    item.uri = percent_encoded(clean.substr(root_.size()));
    item.is_below_root = true;
  } else if (!clean.empty() && clean[0] == '/') {
    item.uri = "file://" + percent_encoded(clean);
  } else {
    item.uri = percent_encoded(clean);  // "[vdso]", or as the compiler was told
  }
  items_.push_back(std::move(item));
  return known->second;
}

}  // namespace kebound::report
