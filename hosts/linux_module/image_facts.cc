// SPDX-License-Identifier: Apache-2.0
//
// From a file of the kernel's to what trap/elf makes of its headers.
#include <string.h>

#include "hosts/linux_module/kernel.h"
#include "include/kebound/abi.h"
#include "trap/elf/image_file.h"

static_assert(sizeof kb_image_facts::build_id == kebound::elf::kMaxBuildId &&
              sizeof kebound_ring_record::build_id == kebound::elf::kMaxBuildId);

extern "C" int kb_read_image_facts(void* file, uint64_t place, void* buffer, size_t size,
                                   kb_image_facts* facts) {
  const kebound::MemoryReader reader{
      file, [](void* self, uint64_t offset, void* bytes, size_t count) noexcept {
        return kb_read_file(self, offset, bytes, count);
      }};
  kebound::elf::ImageFile image;
  if (!kebound::elf::read_image_file(reader, place, static_cast<uint8_t*>(buffer), size, image) ||
      !image.has_address) {
    return 0;
  }
  facts->address = image.address;
  facts->build_id_size = image.build_id_size;
  memcpy(facts->build_id, image.build_id, sizeof facts->build_id);
  return 1;
}
