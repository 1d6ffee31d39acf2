// SPDX-License-Identifier: Apache-2.0
#include "report/symbolizer.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "report/module_symbols.h"
#include "report/vdso.h"

namespace kebound::report {
namespace {

constexpr size_t kMaxModules = 256;
constexpr size_t kMaxBuilds = 32;
constexpr size_t kMaxCachedPlaces = 65'536;
constexpr size_t kMaxBuildId = 64;  // bytes; what linkers write has 20 at most

// clang has the text of a trap inlined into the function, as the name of a function that does not
// exist: "__clang_trap_msg$Bounds$vector[] index out of bounds".
void take_trap_message(Location& location) {
  constexpr std::string_view kPrefix = "__clang_trap_msg$";
  if (location.frames.size() < 2 || !location.frames[0].inlined) return;
  const std::string_view name = location.frames[0].function;
  if (!name.starts_with(kPrefix)) return;
  const std::string_view text = name.substr(kPrefix.size());
  const size_t dollar = text.find('$');
  location.trap_message = text.substr(0, dollar);
  if (dollar != std::string_view::npos) {
    if (!location.trap_message.empty()) location.trap_message += ": ";
    location.trap_message += text.substr(dollar + 1);
  }
  location.frames.erase(location.frames.begin());
}

}  // namespace

std::string hexadecimal(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char c : bytes.substr(0, kMaxBuildId)) {
    text += kDigits[static_cast<unsigned char>(c) >> 4];
    text += kDigits[c & 15];
  }
  return text;
}

struct Symbolizer::Module {
  std::shared_ptr<const ElfFile> file;
  std::string build_id;
  ModuleSymbols symbols;
  std::unordered_map<uint64_t, std::vector<SourceFrame>> places;
  std::unordered_map<uint64_t, std::optional<x86::FunctionFacts>> functions;
  uint64_t used = 0;

  Module(std::shared_ptr<const ElfFile> elf, const events::Mapping& mapping,
         const std::string& debug_path)
      : file(elf),
        build_id(hexadecimal(elf->build_id())),
        symbols(std::move(elf), mapping.open_path, mapping.path, debug_path) {}
};

Symbolizer::Symbolizer(std::string debug_path) : debug_path_(std::move(debug_path)) {}
Symbolizer::~Symbolizer() = default;

const events::Mapping* find_mapping(const events::ModuleMap& modules, uint64_t address) noexcept {
  const auto& mappings = modules.mappings;
  auto after =
      std::upper_bound(mappings.begin(), mappings.end(), address,
                       [](uint64_t value, const auto& mapping) { return value < mapping.begin; });
  if (after == mappings.begin()) return nullptr;
  --after;
  return address < after->end ? &*after : nullptr;
}

const events::Mapping* find_data_mapping(const events::ModuleMap& modules,
                                         uint64_t address) noexcept {
  constexpr unsigned kMaxBetween = 4;  // without a name
  const auto& mappings = modules.mappings;
  auto after =
      std::upper_bound(mappings.begin(), mappings.end(), address,
                       [](uint64_t value, const auto& mapping) { return value < mapping.begin; });
  for (unsigned i = 0; i < kMaxBetween && after != mappings.begin(); ++i) {
    --after;
    if (is_module(*after)) return &*after;
  }
  return nullptr;
}

bool is_module(const events::Mapping& mapping) noexcept {
  return !mapping.path.empty() && (mapping.path[0] != '[' || mapping.path == "[vdso]");
}

std::shared_ptr<const ElfFile> Symbolizer::file_of(const events::ModuleMap& modules,
                                                   const events::Mapping& mapping) {
  if (mapping.path == "[vdso]") return vdso_file(modules.is_64bit, mapping.end - mapping.begin);
  if (!is_module(mapping)) return nullptr;
  if (modules.generation != generation_) {
    identities_.clear();
    generation_ = modules.generation;
  }
  const auto [known, is_new] = identities_.try_emplace(&mapping);
  if (is_new) known->second = identify_file(mapping.open_path).value_or(FileId{});
  if (known->second == FileId{}) return nullptr;
  auto file = files_.open(mapping.open_path, known->second);
  const bool is_other_build =
      file && !mapping.build_id.empty() && !file->has_build_id(mapping.build_id);
  return is_other_build ? nullptr : file;
}

Symbolizer::Module* Symbolizer::module_of(const events::ModuleMap& modules,
                                          const events::Mapping& mapping) {
  auto file = file_of(modules, mapping);
  if (!file) return nullptr;
  // The vdso has no identity of its own: a device that no file has.
  const FileId id = mapping.path == "[vdso]" ? FileId{~uint64_t{0}, modules.is_64bit, 0, 0}
                                             : identities_.at(&mapping);
  auto& slot = modules_[id];
  if (!slot) slot = std::make_unique<Module>(std::move(file), mapping, debug_path_);
  slot->used = ++clock_;
  Module* const module = slot.get();
  if (modules_.size() > kMaxModules) {
    modules_.erase(std::min_element(
        modules_.begin(), modules_.end(),
        [](const auto& a, const auto& b) { return a.second->used < b.second->used; }));
  }
  return module;
}

Symbolizer::Module* Symbolizer::module_of_build(const events::ModuleMap& modules,
                                                const events::Mapping& mapping) {
  if (mapping.build_id.empty()) return nullptr;
  const auto key = std::pair(mapping.build_id, modules.is_64bit);
  if (const auto known = builds_.find(key); known != builds_.end()) return known->second.get();
  auto file = find_debug_file_of_build(mapping.build_id, modules.is_64bit, debug_path_);
  if (!file) return nullptr;
  if (builds_.size() >= kMaxBuilds) builds_.clear();
  auto& slot = builds_[key];
  slot = std::make_unique<Module>(std::move(file), mapping, debug_path_);
  return slot.get();
}

Location Symbolizer::locate(const events::ModuleMap& modules, uint64_t address,
                            bool is_return_address) {
  Location location;
  const auto* mapping = find_mapping(modules, address);
  if (mapping == nullptr || !is_module(*mapping)) return location;
  location.module = mapping->path;
  Module* module = module_of(modules, *mapping);
  if (module != nullptr) {
    location.build_id = module->build_id;
    location.offset = module->file->address_of(address - mapping->begin + mapping->file_offset,
                                               mapping->executable);
  } else if (mapping->bias) {
    location.build_id = hexadecimal(mapping->build_id);
    location.offset = address - *mapping->bias;
    module = module_of_build(modules, *mapping);
  }
  if (module == nullptr || !location.offset) return location;
  const uint64_t wanted = *location.offset - (is_return_address ? 1 : 0);
  if (module->places.size() >= kMaxCachedPlaces) module->places.clear();
  const auto [place, is_new] = module->places.try_emplace(wanted);
  if (is_new) place->second = module->symbols.frames_at(wanted);
  location.frames = place->second;
  take_trap_message(location);
  return location;
}

std::optional<x86::ArrayNest> Symbolizer::arrays_at(const events::ModuleMap& modules,
                                                    uint64_t address) {
  const auto* mapping = find_data_mapping(modules, address);
  if (mapping == nullptr) return std::nullopt;
  Module* const module = module_of(modules, *mapping);
  if (module == nullptr) return std::nullopt;
  const uint64_t distance = address - mapping->begin;
  // Behind the file's last byte a page's rest is zeroed.
  auto place = module->file->zeroed_address(mapping->file_offset, distance);
  if (!place && address < mapping->end) {
    place = module->file->address_of(distance + mapping->file_offset, mapping->executable);
  }
  return place ? module->symbols.arrays_at(*place) : std::nullopt;
}

Symbolizer::Module* Symbolizer::module_around(const events::ModuleMap& modules, uint64_t& address) {
  const auto* mapping = find_mapping(modules, address);
  if (mapping == nullptr || !is_module(*mapping)) return nullptr;
  Module* const module = module_of(modules, *mapping);
  if (module == nullptr) return nullptr;
  const auto place = module->file->address_of(address - mapping->begin + mapping->file_offset,
                                              mapping->executable);
  if (place) address = *place;
  return place ? module : nullptr;
}

std::optional<x86::FunctionFacts> Symbolizer::function_at(const events::ModuleMap& modules,
                                                          uint64_t address) {
  Module* const module = module_around(modules, address);
  if (module == nullptr) return std::nullopt;
  if (module->functions.size() >= kMaxCachedPlaces) module->functions.clear();
  const auto [function, is_new] = module->functions.try_emplace(address);
  if (is_new) function->second = module->symbols.function_at(address);
  return function->second;
}

}  // namespace kebound::report
