// SPDX-License-Identifier: Apache-2.0
#include "hosts/inproc/rule_policy.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hosts/inproc/image.h"
#include "hosts/inproc/publish.h"
#include "hosts/inproc/site_cache.h"
#include "hosts/inproc/thread_state.h"
#include "rules/table.h"
#include "trap/bound_event.h"

namespace kebound::inproc {
namespace {

constinit rules::Table g_table;
constinit OnBound g_fallback = OnBound::Propagate;
constinit char g_program[PATH_MAX];  // empty where it is not known

OnBound as_policy(rules::Action action) noexcept {
  switch (action) {
    case rules::Action::Clamp:
      return OnBound::Clamp;
    case rules::Action::Skip:
      return OnBound::Skip;
    case rules::Action::Terminate:
      return OnBound::Terminate;
    case rules::Action::Propagate:
      break;
  }
  return OnBound::Propagate;
}

uint8_t disposition_of(rules::Action action) noexcept {
  switch (action) {
    case rules::Action::Clamp:
    case rules::Action::Skip:
      return KEBOUND_DISPOSITION_HANDLED;
    case rules::Action::Terminate:
      return KEBOUND_DISPOSITION_TERMINATED;
    case rules::Action::Propagate:
      break;
  }
  return KEBOUND_DISPOSITION_PROPAGATED;
}

rules::TablePlace place_of(const kebound_event& event) noexcept {
  rules::TablePlace place;
  place.source = source_name(static_cast<BoundSource>(event.source));
  const auto check = static_cast<CheckKind>(event.check);
  if (check != CheckKind::Unknown) place.check = check_kind_name(check);
  const Image image = image_of(event.ip);
  if (!image.found()) return place;
  place.module = *image.path != '\0' ? image.path : g_program;
  place.offset = event.ip - image.bias;
  place.line_offset = (event.line_ip != 0 ? event.line_ip : event.ip) - image.bias;
  return place;
}

// Which rule decides at a place that was seen before. What was found before an image went may be
// about another one.
struct KnownMatch {
  uint64_t line_ip;
  uint32_t images_gone;
  uint8_t source;
  uint8_t check;
  bool is_unresolved;
  uint32_t rule;
};
constinit SiteCache<KnownMatch, 512> g_known{};

rules::TableMatch find_match(const kebound_event& event) noexcept {
  const uint32_t gone = g_images_gone.load(MemoryOrder::Relaxed);
  KnownMatch known;
  if (g_known.find(event.ip, known) && known.line_ip == event.line_ip &&
      known.images_gone == gone && known.source == event.source && known.check == event.check) {
    return {known.rule, known.is_unresolved};
  }
  const rules::TableMatch match = g_table.find(place_of(event));
  g_known.put(event.ip,
              {event.line_ip, gone, event.source, event.check, match.is_unresolved, match.rule});
  return match;
}

// A module that came after the rules' names were looked up: by dlopen(3), or another program.
[[gnu::cold]] void say_unresolved(uint64_t ip) noexcept {
  static constinit Atomic<uint32_t> told{0};
  if (told.exchange(1, MemoryOrder::Relaxed) != 0) return;
  report_violation("rules-unresolved",
                   "rules by function, file, line or build ID do not know code loaded later", ip);
}

kebound_answer act(OnBound policy, const kebound_event* event,
                   kebound_registers* registers) noexcept {
  const kebound_callback callback = policy_callback(policy);
  return callback != nullptr ? callback(event, registers, nullptr) : KEBOUND_CONTINUE_SEARCH;
}

kebound_answer by_rules(const kebound_event* event, kebound_registers* registers, void*) {
  const rules::TableMatch match = find_match(*event);
  if (match.is_unresolved) say_unresolved(event->ip);
  ThreadState* const state = current_thread_state();
  if (match.rule == rules::kNoRule || state == nullptr) return act(g_fallback, event, registers);
  const rules::Ruling ruling = g_table.decide(
      match.rule, g_table.counts_sites(match.rule) ? place_of(*event) : rules::TablePlace{});
  state->rule = {match.rule + 1, ruling.is_reported, ruling.is_counted,
                 disposition_of(ruling.action), &g_table.counts(match.rule)};
  return act(as_policy(ruling.action), event, registers);
}

}  // namespace

bool open_rules(const char* path) noexcept {
  const int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return false;
  struct stat file {};
  void* memory = MAP_FAILED;
  if (fstat(fd, &file) == 0 && S_ISREG(file.st_mode) &&
      file.st_size >= static_cast<off_t>(sizeof(rules::TableHeader)) && file.st_size <= INT32_MAX) {
    memory =
        mmap(nullptr, static_cast<size_t>(file.st_size), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  }
  close(fd);
  if (memory == MAP_FAILED) return false;
  // The file is anybody's of this run: what is looked at unchecked later is a copy of our own.
  const auto size = static_cast<uint64_t>(file.st_size);
  const uint64_t fixed_size = static_cast<const rules::TableHeader*>(memory)->fixed_size;
  void* fixed = MAP_FAILED;
  if (fixed_size <= size) {
    fixed = mmap(nullptr, static_cast<size_t>(fixed_size), PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  }
  if (fixed != MAP_FAILED) {
    memcpy(fixed, memory, static_cast<size_t>(fixed_size));
    if (g_table.attach(static_cast<const uint8_t*>(fixed), fixed_size,
                       static_cast<uint8_t*>(memory), size)) {
      const ssize_t length = readlink("/proc/self/exe", g_program, sizeof g_program - 1);
      g_program[length > 0 ? length : 0] = '\0';
      return true;
    }
    munmap(fixed, static_cast<size_t>(fixed_size));
  }
  munmap(memory, static_cast<size_t>(size));
  return false;
}

kebound_callback rules_callback(OnBound fallback) noexcept {
  g_fallback = fallback;
  return by_rules;
}

}  // namespace kebound::inproc
