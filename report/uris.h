// SPDX-License-Identifier: Apache-2.0
//
// Files as URI references, for reports that other tools open.
#pragma once

#include <stddef.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace kebound::report {

// The path's bytes, percent-encoded where a URI's path cannot have them.
[[nodiscard]] std::string percent_encoded(std::string_view path);
// Without "//", "/./" and "/../". Lexically: no file is looked at.
[[nodiscard]] std::string normalized(std::string_view path);

// The files that a report names, each once, by number.
class Artifacts {
 public:
  struct Item {
    std::string uri;  // relative to the root where `is_below_root`, else absolute
    bool is_below_root = false;
    bool is_binary = false;
  };

  // `root`: an absolute directory; anything else is no root.
  explicit Artifacts(std::string_view root);

  // "file:///src/", empty without a root.
  [[nodiscard]] const std::string& root_uri() const noexcept { return root_uri_; }
  // The number of `path`, which is not empty.
  [[nodiscard]] size_t number(const std::string& path, bool is_binary);
  [[nodiscard]] const std::vector<Item>& all() const noexcept { return items_; }

 private:
  std::string root_;  // ends in '/', or is empty
  std::string root_uri_;
  std::map<std::string, size_t> numbers_;
  std::vector<Item> items_;
};

}  // namespace kebound::report
