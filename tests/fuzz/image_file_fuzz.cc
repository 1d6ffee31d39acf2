// SPDX-License-Identifier: Apache-2.0
//
// The input is an ELF file. However it is damaged, a build ID has to be bytes of the file and an
// address has to be that of the place; the number of reads is bounded, and the size of the buffer
// that it is read through makes no difference.
#include "tests/fuzz/fuzz_target.h"
#include "trap/elf/image_file.h"

using kebound::fuzz::fail_if;
using namespace kebound;
using namespace kebound::elf;

namespace {

struct File {
  const uint8_t* data;
  size_t size;
  size_t reads = 0;
};

size_t read_some(void* self, uint64_t offset, void* buffer, size_t size) noexcept {
  File& file = *static_cast<File*>(self);
  ++file.reads;
  if (offset >= file.size) return 0;
  const size_t count = std::min<size_t>(size, file.size - offset);
  std::memcpy(buffer, file.data + offset, count);
  return count;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  File file{data, size};
  const MemoryReader reader{&file, read_some};
  uint8_t large[kImageWindow];
  uint8_t small[512];
  ImageFile image;
  ImageFile other;
  for (const uint64_t place : {uint64_t{0}, uint64_t{size / 2}, ~uint64_t{0}}) {
    file.reads = 0;
    const bool is_image = read_image_file(reader, place, large, sizeof large, image);
    const bool is_other = read_image_file(reader, place, small, sizeof small, other);
    fail_if(file.reads < 2000 ? "" : "too many reads");
    fail_if(image.build_id_size <= kMaxBuildId ? "" : "a build ID that is too long");
    fail_if(is_image || (image.build_id_size == 0 && !image.has_address)
                ? ""
                : "facts of what is no image");
    fail_if(is_image == is_other && image.build_id_size == other.build_id_size &&
                    std::memcmp(image.build_id, other.build_id, sizeof image.build_id) == 0 &&
                    image.has_address == other.has_address && image.address == other.address
                ? ""
                : "the buffer's size makes a difference");
    const uint8_t* const end = data + size;
    fail_if(std::search(data, end, image.build_id, image.build_id + image.build_id_size) != end ||
                    image.build_id_size == 0
                ? ""
                : "a build ID that is not in the file");
  }
  return 0;
}
