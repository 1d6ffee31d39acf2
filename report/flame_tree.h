// SPDX-License-Identifier: Apache-2.0
//
// The stacks of all sites merged from their outermost function on, with the exceptions below each.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <string>
#include <vector>

#include "report/sites.h"

namespace kebound::report {

struct FlameNode {
  std::string function;  // as phrases.h calls it; "guest+0x11d6" where no name is known
  std::string module;    // base name
  std::string position;  // "guest.c:14", may be empty
  uint64_t count = 0;
  uint64_t site = 0;                // of a check: its number + 1
  std::vector<FlameNode> children;  // the most exceptions first
};

struct FlameTree {
  FlameNode root;
  size_t depth = 0;       // of the deepest leaf, 0: no stack at all
  uint64_t borrowed = 0;  // exceptions that are shown with their site's first stack: they have none
  uint64_t without_stack = 0;  // exceptions of sites that no stack is known of: not in the tree
};

// At most `max_nodes` nodes, of the sites with the most exceptions, and `max_depth` levels.
[[nodiscard]] FlameTree make_flame_tree(const std::vector<const Site*>& sites, size_t max_nodes,
                                        size_t max_depth);

}  // namespace kebound::report
