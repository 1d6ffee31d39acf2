// SPDX-License-Identifier: Apache-2.0
#include "hosts/inproc_run/rules_file.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <system_error>

#include "rules/table.h"

namespace kebound::inproc_run {

RulesFile::RulesFile(const std::vector<uint8_t>& table) : size_(table.size()) {
  rules::TableHeader header;
  memcpy(&header, table.data(), sizeof header);
  counts_at_ = header.fixed_size;
  fd_ = memfd_create("kebound-rules", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  void* memory = MAP_FAILED;
  if (fd_ >= 0 && fchmod(fd_, 0600) == 0 && ftruncate(fd_, static_cast<off_t>(size_)) == 0 &&
      fcntl(fd_, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0) {
    memory = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
  }
  if (memory == MAP_FAILED) {
    const int error = errno;
    if (fd_ >= 0) close(fd_);
    throw std::system_error(error, std::generic_category(), "table of rules");
  }
  memory_ = static_cast<uint8_t*>(memory);
  memcpy(memory_, table.data(), size_);
  path_ = fmt::format("/proc/{}/fd/{}", getpid(), fd_);
}

RulesFile::~RulesFile() {
  munmap(memory_, size_);
  close(fd_);
}

const rules::RuleCounts& RulesFile::counts(size_t rule) const noexcept {
  return reinterpret_cast<const rules::TableCounts*>(memory_ + counts_at_)[rule].counts;
}

}  // namespace kebound::inproc_run
