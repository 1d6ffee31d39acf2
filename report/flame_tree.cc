// SPDX-License-Identifier: Apache-2.0
#include "report/flame_tree.h"

#include <fmt/format.h>

#include <algorithm>

#include "report/phrases.h"

namespace kebound::report {
namespace {

struct Step {
  std::string function;
  std::string module;
  std::string position;
};

// Outermost first.
std::vector<Step> steps_of(const std::vector<StackFrame>& frames, size_t max_depth) {
  std::vector<Step> steps;
  for (const auto& frame : frames) {
    const std::string module =
        module_offset({std::string(base_name(frame.location.module)), {}, {}, {}});
    if (frame.location.frames.empty()) {
      auto name = module_offset(frame.location);
      steps.push_back(
          {name.empty() ? fmt::format("0x{:x}", frame.pc) : std::move(name), module, ""});
    }
    for (const auto& function : frame.location.frames) {
      steps.push_back({called(function), module, source_line(function, false)});
    }
  }
  // The check and what called it say most: what is cut off is the far end.
  if (steps.size() > max_depth) steps.resize(max_depth);
  std::reverse(steps.begin(), steps.end());
  return steps;
}

class Builder {
 public:
  Builder(FlameTree& tree, size_t max_nodes, size_t max_depth)
      : tree_(tree), nodes_left_(max_nodes), max_depth_(max_depth) {}

  void add(const std::vector<StackFrame>& frames, uint64_t count, uint64_t site) {
    FlameNode* node = &tree_.root;
    const auto steps = steps_of(frames, max_depth_);
    node->count += count;
    for (size_t i = 0; i < steps.size(); ++i) {
      const bool is_check = i + 1 == steps.size();
      node = child(*node, steps[i], is_check ? site : 0);
      if (node == nullptr) return;  // its parent counted it
      node->count += count;
      tree_.depth = std::max(tree_.depth, i + 1);
    }
  }

 private:
  FlameNode* child(FlameNode& parent, const Step& step, uint64_t site) {
    for (auto& node : parent.children) {
      if (node.site == site && node.function == step.function && node.module == step.module &&
          (site == 0 || node.position == step.position)) {
        return &node;
      }
    }
    if (nodes_left_ == 0) return nullptr;
    --nodes_left_;
    parent.children.push_back({step.function, step.module, step.position, 0, site, {}});
    return &parent.children.back();
  }

  FlameTree& tree_;
  size_t nodes_left_;
  const size_t max_depth_;
};

void sort(FlameNode& node) {  // as deep as max_depth
  std::stable_sort(node.children.begin(), node.children.end(),
                   [](const FlameNode& a, const FlameNode& b) { return a.count > b.count; });
  for (auto& child : node.children) sort(child);
}

}  // namespace

FlameTree make_flame_tree(const std::vector<const Site*>& sites, size_t max_nodes,
                          size_t max_depth) {
  FlameTree tree;
  Builder builder(tree, max_nodes, max_depth);
  for (const Site* const site : sites) {
    if (site->stacks.empty()) {
      tree.without_stack += site->count;
      continue;
    }
    const uint64_t others = site->count - site->with_stack();
    tree.borrowed += others;
    for (size_t i = 0; i < site->stacks.size(); ++i) {
      builder.add(site->stacks[i].frames, site->stacks[i].count + (i == 0 ? others : 0),
                  site->number + 1);
    }
  }
  sort(tree.root);
  return tree;
}

}  // namespace kebound::report
