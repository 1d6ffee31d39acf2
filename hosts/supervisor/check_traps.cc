// SPDX-License-Identifier: Apache-2.0
#include "hosts/supervisor/check_traps.h"

#include <stddef.h>
#include <stdlib.h>

#include <algorithm>
#include <new>
#include <optional>

#include "trap/x86/recovery_cache.h"
#include "trap/x86/trap_numbers.h"

namespace kebound::supervisor {
namespace {

// The file that is mapped around `address`: all of its mappings that lie together, the one with the
// ELF header first.
std::optional<x86::CodeRange> file_around(const events::ModuleMap& map, uint64_t address) {
  const auto& all = map.mappings;
  auto at = std::find_if(all.begin(), all.end(), [&](const events::Mapping& mapping) {
    return address >= mapping.begin && address < mapping.end;
  });
  if (at == all.end() || at->path.empty()) return std::nullopt;
  auto first = at;
  while (first != all.begin() && first->file_offset != 0 && std::prev(first)->path == at->path) {
    --first;
  }
  auto last = at;
  while (std::next(last) != all.end() && std::next(last)->path == at->path &&
         std::next(last)->file_offset != 0) {
    ++last;
  }
  return x86::CodeRange{first->begin, last->end};
}

// Megabytes, of which a trap touches a part: pages that are zero need not be written.
x86::RecoveryCache* new_cache() {
  static_assert(alignof(x86::RecoveryCache) <= alignof(max_align_t));
  void* const zeroed = calloc(1, sizeof(x86::RecoveryCache));
  if (zeroed == nullptr) throw std::bad_alloc();
  return &x86::RecoveryCache::in_zeroed(zeroed);
}

}  // namespace

void CheckTraps::CacheDelete::operator()(x86::RecoveryCache* cache) const noexcept { free(cache); }

CheckTraps::CheckTraps(pid_t pid, bool is_64bit, TargetMemory& memory,
                       posix::ModuleMapReader& modules, events::TrapMessages* messages)
    : pid_(pid),
      is_64bit_(is_64bit),
      memory_(memory),
      modules_(modules),
      trap_messages_(messages),
      cache_(new_cache()) {}

CheckTraps::~CheckTraps() = default;

// What is not where it was is forgotten, with all that was known about its code.
void CheckTraps::follow_mappings() {
  const std::shared_ptr<const events::ModuleMap> map = modules_.read(pid_, is_64bit_);
  if (map == nullptr || map->generation == generation_) return;
  generation_ = map->generation;
  std::erase_if(images_, [&](const MappedImage& image) {
    const std::optional<x86::CodeRange> now = file_around(*map, image.range.begin);
    const auto same_path = [&] {
      return std::any_of(map->mappings.begin(), map->mappings.end(),
                         [&](const events::Mapping& mapping) {
                           return mapping.begin == image.range.begin && mapping.path == image.path;
                         });
    };
    if (now && *now == image.range && same_path()) return false;
    x86::forget_code(*cache_, image.range);
    messages_.erase(messages_.lower_bound(image.range.begin),
                    messages_.lower_bound(image.range.end));
    return true;
  });
}

const CheckTraps::MappedImage* CheckTraps::image_around(uint64_t address) {
  const auto find = [&]() -> const MappedImage* {
    for (const MappedImage& image : images_) {
      if (image.range.contains(address)) return &image;
    }
    return nullptr;
  };
  if (const MappedImage* const known = find()) return known;
  follow_mappings();
  if (const MappedImage* const known = find()) return known;
  const std::shared_ptr<const events::ModuleMap>& map = modules_.last();
  if (map == nullptr) return nullptr;
  const std::optional<x86::CodeRange> range = file_around(*map, address);
  if (!range) return nullptr;
  MappedImage image{*range, {}, {}, false};
  for (const events::Mapping& mapping : map->mappings) {
    if (mapping.begin == range->begin) image.path = mapping.path;
  }
  elf::ProgramHeaders headers;
  if (!elf::find_program_headers(range->begin, memory_.reader(), headers) ||
      !elf::read_image(headers, memory_.reader(), image.image)) {
    return nullptr;
  }
  for (size_t i = 0; i < image.image.text_count; ++i) {
    image.numbers_its_traps |=
        x86::numbers_its_traps(image.image.text[i], image.image.mode, memory_.reader());
  }
  images_.push_back(std::move(image));
  return &images_.back();
}

bool CheckTraps::find_function(void* self, uint64_t address, x86::CodePlace& out) noexcept {
  auto& traps = *static_cast<CheckTraps*>(self);
  const MappedImage* const found = traps.image_around(address);
  if (found == nullptr) return false;
  const x86::CodeRange* const text = elf::text_around(found->image, address);
  if (text == nullptr) return false;
  out.text = *text;
  return elf::function_around(found->image, address, traps.memory_.reader(), out.function);
}

template <class Answer>
bool CheckTraps::ask(Question<Answer> question, uint64_t address, Answer& out) {
  if (trap_messages_ == nullptr) return false;
  follow_mappings();
  const std::shared_ptr<const events::ModuleMap>& map = modules_.last();
  if (map == nullptr) return false;
  const std::optional<Answer> answer = (trap_messages_->*question)(*map, address);
  if (answer) out = *answer;
  return answer.has_value();
}

bool CheckTraps::find_arrays(void* self, uint64_t address, x86::ArrayNest& out) noexcept {
  return static_cast<CheckTraps*>(self)->ask(&events::TrapMessages::arrays_at, address, out);
}

bool CheckTraps::find_facts(void* self, uint64_t address, x86::FunctionFacts& out) noexcept {
  return static_cast<CheckTraps*>(self)->ask(&events::TrapMessages::function_at, address, out);
}

const std::string& CheckTraps::message_at(uint64_t address, bool is_in_file) {
  static const std::string none;
  if (trap_messages_ == nullptr || !is_in_file) return none;
  const auto [known, is_new] = messages_.try_emplace(address);
  if (is_new) known->second = trap_messages_->at(*modules_.last(), address);
  return known->second;
}

x86::RecoverySource CheckTraps::source_for(const x86::Registers& registers) {
  constexpr uint16_t kCode64 = 0x33;
  x86::RecoverySource source;
  source.mode = registers.cs == kCode64 ? x86::CodeMode::Bits64 : x86::CodeMode::Bits32;
  source.memory = memory_.reader();
  source.functions = {this, find_function};
  source.arrays = {this, find_arrays};
  source.facts = {this, find_facts};
  return source;
}

void CheckTraps::recover_called(calls::CallEvent& call) {
  if (!calls::compares_index(call)) return;
  const x86::RecoverySource source = source_for(call.at_call);
  static_cast<void>(x86::recover_called_check(source, call.at_call, *cache_, call.event));
}

bool CheckTraps::recover(const x86::CompilerTrap& trap, const x86::Registers& registers,
                         BoundEvent& event, x86::Recovery& recovery, std::string& detail) {
  const MappedImage* const image = image_around(registers.rip);
  x86::RecoverySource source = source_for(registers);
  source.evidence.unique_traps = image != nullptr && image->numbers_its_traps;
  // clang's ud1 says by itself what it is.
  if (trap.kind == x86::CompilerTrapKind::Ud2) detail = message_at(registers.rip, image != nullptr);
  source.evidence.hardening_message = !detail.empty();
  return x86::recover_check(source, registers, *cache_, event, recovery);
}

}  // namespace kebound::supervisor
