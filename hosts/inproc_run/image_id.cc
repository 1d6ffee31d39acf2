// SPDX-License-Identifier: Apache-2.0
#include "hosts/inproc_run/image_id.h"

#include <fmt/format.h>
#include <string.h>
#include <sys/sysmacros.h>

#include <vector>

#include "hosts/posix/file.h"
#include "trap/elf/image_file.h"

namespace kebound::inproc_run {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

std::string build_id_of(const posix::File& file) {
  const MemoryReader reader{const_cast<posix::File*>(&file),
                            [](void* self, uint64_t offset, void* buffer, size_t size) noexcept {
                              return static_cast<const posix::File*>(self)->read(offset, buffer,
                                                                                 size);
                            }};
  uint8_t buffer[elf::kImageWindow];
  elf::ImageFile image;
  if (!elf::read_image_file(reader, 0, buffer, sizeof buffer, image)) return {};
  return {reinterpret_cast<const char*>(image.build_id), image.build_id_size};
}

}  // namespace

FileNow look_at_file(const std::string& path) {
  FileNow now;
  const posix::File file(path);
  const auto status = file.regular();
  if (!status) return now;
  now.readable = true;
  now.has_name = status->st_nlink != 0;
  now.id.build_id = build_id_of(file);
  now.id.device = status->st_dev;
  now.id.inode = status->st_ino;
  now.id.size = static_cast<uint64_t>(status->st_size);
  now.id.changed_ns = static_cast<int64_t>(  // wraps as the kernel's does
      static_cast<uint64_t>(status->st_ctim.tv_sec) * uint64_t{kSecond} +
      static_cast<uint64_t>(status->st_ctim.tv_nsec));
  return now;
}

bool is_same_image(const ImageId& was, const FileNow& now) noexcept {
  if (!was.is_known()) return true;
  if (!now.readable) return false;
  if (!was.build_id.empty()) return now.id.build_id == was.build_id;
  // A file that was deleted is held open, so that no other one has its inode; the deletion has
  // changed its time.
  return now.id.build_id.empty() && now.id.device == was.device && now.id.inode == was.inode &&
         now.id.size == was.size && (now.id.changed_ns == was.changed_ns || !now.has_name);
}

std::string describe(const ImageId& id) {
  if (!id.build_id.empty()) {
    std::string text = "build ID ";
    for (const char byte : id.build_id) text += fmt::format("{:02x}", static_cast<uint8_t>(byte));
    return text;
  }
  return fmt::format("inode {} of device {}:{}, {} bytes, changed at {}.{:09}", id.inode,
                     major(id.device), minor(id.device), id.size, id.changed_ns / kSecond,
                     id.changed_ns % kSecond);
}

}  // namespace kebound::inproc_run
