// SPDX-License-Identifier: Apache-2.0
#include "report/vdso.h"

#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/utsname.h>

#include <fstream>
#include <string>
#include <utility>

namespace kebound::report {
namespace {

constexpr uint64_t kMaxVdso = 64 * 1024;

std::shared_ptr<const ElfFile> own_vdso() {
  const uint64_t address = getauxval(AT_SYSINFO_EHDR);
  std::ifstream maps("/proc/self/maps");
  for (std::string line; address != 0 && std::getline(maps, line);) {
    unsigned long begin = 0;
    unsigned long end = 0;
    if (sscanf(line.c_str(), "%lx-%lx", &begin, &end) != 2 || begin != address) continue;
    if (end - begin > kMaxVdso) break;
    const auto* bytes = reinterpret_cast<const uint8_t*>(begin);
    return ElfFile::from_bytes(std::vector<uint8_t>(bytes, bytes + (end - begin)));
  }
  return nullptr;
}

std::shared_ptr<const ElfFile> installed_vdso32() {
  struct utsname system;
  if (uname(&system) != 0) return nullptr;
  return ElfFile::open(std::string("/lib/modules/") + system.release + "/vdso/vdso32.so");
}

}  // namespace

std::shared_ptr<const ElfFile> vdso_file(bool is_64bit, uint64_t mapping_size) {
  static const std::shared_ptr<const ElfFile> kFiles[2] = {installed_vdso32(), own_vdso()};
  const auto& file = kFiles[is_64bit ? 1 : 0];
  if (!file || (file->bytes().size() + 4095) / 4096 * 4096 != mapping_size) return nullptr;
  return file;
}

}  // namespace kebound::report
