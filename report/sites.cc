// SPDX-License-Identifier: Apache-2.0
#include "report/sites.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "report/phrases.h"

namespace kebound::report {
namespace {

// Beyond the limit new texts are left out.
void count_text(std::vector<CountedText>& texts, std::string_view text, bool& is_new) {
  const auto known = std::find_if(texts.begin(), texts.end(),
                                  [&](const CountedText& item) { return item.text == text; });
  is_new = known == texts.end() && texts.size() < Sites::kMaxTexts;
  if (is_new) {
    texts.push_back({std::string(text), 1});
  } else if (known != texts.end()) {
    ++known->count;
  }
}

bool same_code(const Location& a, const Location& b, uint64_t pc_a, uint64_t pc_b) {
  if (a.module != b.module || a.offset != b.offset) return false;
  return a.offset.has_value() || pc_a == pc_b;
}

// The same calls, wherever the modules were loaded.
bool same_stack(const std::vector<StackFrame>& a, const std::vector<StackFrame>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const StackFrame& left, const StackFrame& right) {
                      return same_code(left.location, right.location, left.pc, right.pc);
                    });
}

void count_stack(std::vector<CountedStack>& stacks, std::vector<StackFrame> frames) {
  const auto known = std::find_if(stacks.begin(), stacks.end(), [&](const CountedStack& stack) {
    return same_stack(stack.frames, frames);
  });
  if (known != stacks.end()) {
    ++known->count;
  } else if (stacks.size() < Sites::kMaxStacks) {
    stacks.push_back({std::move(frames), 1});
  }
}

}  // namespace

void Span::add(int64_t value) noexcept {
  low = known ? std::min(low, value) : value;
  high = known ? std::max(high, value) : value;
  known = true;
}

uint64_t Site::with_stack() const noexcept {
  uint64_t sum = 0;
  for (const auto& stack : stacks) sum += stack.count;
  return sum;
}

Site* Sites::find(const events::BoundException& exception, const Place& place) {
  const Key key{place.number, exception.event.source, exception.event.check};
  if (const auto known = by_key_.find(key); known != by_key_.end()) return known->second;
  if (sites_.size() >= kMaxSites) return nullptr;
  auto& site = sites_.emplace_back();
  site.number = sites_.size() - 1;
  site.location = place.location;
  site.first_ns = site.last_ns = exception.time_ns;
  site.first = exception;
  site.first.modules = nullptr;
  site.first.stack = nullptr;
  by_key_.emplace(key, &site);
  return &site;
}

Sighting Sites::add(const events::BoundException& exception, bool keep_stack) {
  Site* const site = find(exception, places_.find(exception));
  if (site == nullptr) {
    ++elsewhere_;
    return {};
  }
  ++site->count;
  auto& same_end = site->by_disposition[static_cast<size_t>(exception.disposition) % kDispositions];
  ++same_end;
  // Threads race to the queue: the order of the records is not quite that of the times.
  site->first_ns = std::min(site->first_ns, exception.time_ns);
  site->last_ns = std::max(site->last_ns, exception.time_ns);
  const auto& event = exception.event;
  if (event.confidence == Confidence::Unknown) {
    ++site->unknown;
  } else {
    site->uncertain += event.confidence == Confidence::Likely ? 1 : 0;
    site->index.add(event.index);
    site->lower.add(event.lower);
    site->upper.add(event.upper);
  }
  bool is_new = false;
  Sighting sighting{site, same_end == 1, false};
  if (!exception.reason.empty()) {
    count_text(site->reasons, exception.reason, sighting.new_reason);
  }
  if (const auto& detail = detail_of(exception, site->location); !detail.empty()) {
    count_text(site->details, detail, is_new);
  }
  if (exception.program) count_text(site->programs, *exception.program, is_new);
  if (keep_stack && exception.stack && exception.modules) {
    count_stack(site->stacks, places_.backtrace(exception));
  }
  return sighting;
}

std::vector<const Site*> Sites::by_count() const {
  std::vector<const Site*> sorted;
  sorted.reserve(sites_.size());
  for (const auto& site : sites_) sorted.push_back(&site);
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Site* a, const Site* b) { return a->count > b->count; });
  return sorted;
}

}  // namespace kebound::report
