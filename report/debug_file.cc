// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "report/elf_file.h"

namespace kebound::report {
namespace {

std::string directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string(".") : path.substr(0, slash);
}

std::vector<std::string> split_path(std::string_view list) {
  std::vector<std::string> directories;
  while (!list.empty()) {
    const size_t end = std::min(list.find(':'), list.size());
    if (end > 0) directories.emplace_back(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return directories;
}

std::shared_ptr<const ElfFile> by_build_id(std::string_view id, bool is_64bit,
                                           const std::string& directory) {
  if (id.size() < 2 || id.size() > 64) return nullptr;
  std::string path = directory + "/.build-id/";
  for (size_t i = 0; i < id.size(); ++i) {
    path += fmt::format("{:02x}", static_cast<uint8_t>(id[i]));
    if (i == 0) path += '/';
  }
  auto found = ElfFile::open(path + ".debug");
  return found && found->is_64bit() == is_64bit && found->build_id() == id ? found : nullptr;
}

std::shared_ptr<const ElfFile> by_link(const ElfFile& elf, const ElfFile::DebugLink& link,
                                       const std::string& path) {
  auto found = ElfFile::open(path);
  if (!found || found->is_64bit() != elf.is_64bit()) return nullptr;
  return debug_link_crc(found->bytes().data(), found->bytes().size()) == link.crc ? found : nullptr;
}

}  // namespace

std::shared_ptr<const ElfFile> find_debug_file_of_build(std::string_view build_id, bool is_64bit,
                                                        std::string_view debug_path) {
  for (const auto& directory : split_path(debug_path)) {
    if (auto found = by_build_id(build_id, is_64bit, directory)) return found;
  }
  return nullptr;
}

std::shared_ptr<const ElfFile> find_debug_file(const ElfFile& elf, const std::string& open_path,
                                               const std::string& target_path,
                                               std::string_view debug_path) {
  const auto directories = split_path(debug_path);
  for (const auto& directory : directories) {
    if (auto found = by_build_id(elf.build_id(), elf.is_64bit(), directory)) return found;
  }
  const auto link = elf.debug_link();
  if (!link) return nullptr;
  std::vector<std::string> candidates;
  for (const auto& beside : {directory_of(open_path), directory_of(target_path)}) {
    candidates.push_back(beside + "/" + link->name);
    candidates.push_back(beside + "/.debug/" + link->name);
  }
  for (const auto& directory : directories) {
    candidates.push_back(directory + directory_of(target_path) + "/" + link->name);
  }
  for (const auto& candidate : candidates) {
    if (auto found = by_link(elf, *link, candidate)) return found;
  }
  return nullptr;
}

}  // namespace kebound::report
