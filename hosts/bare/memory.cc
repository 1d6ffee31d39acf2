// SPDX-License-Identifier: Apache-2.0
#include "hosts/bare/memory.h"

#include <string.h>

#include "hosts/bare/machine.h"
#include "hosts/kernel/services.h"

namespace kebound::bare {

namespace {

extern "C" uint64_t pml4[512], pdpt_low[512];

// Physical memory beside the kernel (kernel.ld has the limit).
constexpr uint64_t kFirstFrame = 16u << 20;
constexpr uint64_t kLastFrame = 32u << 20;
constexpr uint64_t kHeapBegin = kLastFrame;
constexpr uint64_t kHeapEnd = 48u << 20;

constexpr uint64_t kPresentWritableUser = 7;
constexpr uint64_t kAddress = 0x000ffffffffff000;

constinit uint64_t g_next_frame = kFirstFrame;
// Of 2 MiB each, as they are needed.
alignas(kPageSize) constinit uint64_t g_directory[512];

uint8_t* at_physical(uint64_t address) noexcept {
  return reinterpret_cast<uint8_t*>(BARE_BASE + address);
}

[[nodiscard]] uint64_t take_frame() noexcept {
  if (g_next_frame == kLastFrame) return 0;
  const uint64_t frame = g_next_frame;
  g_next_frame += kPageSize;
  memset(at_physical(frame), 0, kPageSize);
  return frame;
}

// The entry for the page of `address`, null if its table is not there.
[[nodiscard]] uint64_t* entry_of(uint64_t address) noexcept {
  if (address >= kUserEnd) return nullptr;
  const uint64_t table = g_directory[address >> 21];
  if (table == 0) return nullptr;
  return reinterpret_cast<uint64_t*>(at_physical(table & kAddress)) + (address >> 12 & 511);
}

[[nodiscard]] uint8_t* page_of(uint64_t address) noexcept {
  const uint64_t* const entry = entry_of(address);
  return entry != nullptr && *entry != 0 ? at_physical(*entry & kAddress) : nullptr;
}

[[nodiscard]] bool map_page(uint64_t address) noexcept {
  uint64_t& table = g_directory[address >> 21];
  if (table == 0) {
    const uint64_t frame = take_frame();
    if (frame == 0) return false;
    table = frame | kPresentWritableUser;
  }
  uint64_t* const entry = entry_of(address);
  if (*entry != 0) return true;
  const uint64_t frame = take_frame();
  if (frame == 0) return false;
  *entry = frame | kPresentWritableUser;
  return true;
}

// Calls step(kernel address, offset, length) for each part of the range that is there.
template <class Step>
size_t for_each_part(uint64_t address, size_t size, Step&& step) noexcept {
  size_t done = 0;
  while (done < size) {
    const uint64_t at = address + done;
    uint8_t* const page = at >= address ? page_of(at) : nullptr;
    if (page == nullptr) break;
    const size_t offset = at % kPageSize;
    const size_t rest = kPageSize - offset;
    const size_t length = size - done < rest ? size - done : rest;
    step(page + offset, done, length);
    done += length;
  }
  return done;
}

// The heap: blocks behind each other, free ones taken first fit and joined when they are met.
struct Block {
  size_t size;  // behind this header, a multiple of 16
  size_t used;
};
static_assert(sizeof(Block) == 16);

Block* block_at(uint64_t address) noexcept { return reinterpret_cast<Block*>(address); }
uint64_t end_of(const Block* block) noexcept {
  return reinterpret_cast<uint64_t>(block + 1) + block->size;
}
constexpr uint64_t kHeapLimit = BARE_BASE + kHeapEnd;

constinit uint64_t g_allocations = 0;

void join_with_free_neighbours(Block* block) noexcept {
  while (end_of(block) < kHeapLimit && block_at(end_of(block))->used == 0)
    block->size += sizeof(Block) + block_at(end_of(block))->size;
}

}  // namespace

void start_memory() noexcept {
  pdpt_low[0] = (reinterpret_cast<uint64_t>(g_directory) - BARE_BASE) | kPresentWritableUser;
  __asm__ volatile("movq %0, %%cr3"
                   :
                   : "r"(reinterpret_cast<uint64_t>(pml4) - BARE_BASE)
                   : "memory");
  *block_at(BARE_BASE + kHeapBegin) = {kHeapEnd - kHeapBegin - sizeof(Block), 0};
}

bool map_user(uint64_t address, uint64_t size) noexcept {
  if (address >= kUserEnd || size > kUserEnd - address) return false;
  const InterruptsOff off;
  for (uint64_t at = address & ~(kPageSize - 1); at < address + size; at += kPageSize) {
    if (!map_page(at)) return false;
  }
  return true;
}

size_t read_user(uint64_t address, void* buffer, size_t size) noexcept {
  return for_each_part(address, size, [&](const uint8_t* from, size_t done, size_t length) {
    memcpy(static_cast<uint8_t*>(buffer) + done, from, length);
  });
}

size_t write_user(uint64_t address, const void* buffer, size_t size) noexcept {
  return for_each_part(address, size, [&](uint8_t* to, size_t done, size_t length) {
    memcpy(to, static_cast<const uint8_t*>(buffer) + done, length);
  });
}

MemoryReader user_memory() noexcept {
  return {nullptr, [](void*, uint64_t address, void* buffer, size_t size) noexcept {
            return read_user(address, buffer, size);
          }};
}

uint64_t allocation_count() noexcept { return g_allocations; }

}  // namespace kebound::bare

using namespace kebound::bare;

extern "C" {

void* kb_allocate(size_t size) {
  const InterruptsOff off;
  ++g_allocations;
  if (size > kHeapEnd - kHeapBegin) return nullptr;
  const size_t wanted = (size + 15) & ~size_t{15};
  for (uint64_t at = BARE_BASE + kHeapBegin; at < kHeapLimit; at = end_of(block_at(at))) {
    Block* const block = block_at(at);
    if (block->used != 0) continue;
    join_with_free_neighbours(block);
    if (block->size < wanted) continue;
    if (block->size - wanted > sizeof(Block)) {
      const size_t rest = block->size - wanted - sizeof(Block);
      block->size = wanted;
      *block_at(end_of(block)) = {rest, 0};
    }
    block->used = 1;
    return memset(block + 1, 0, wanted);
  }
  return nullptr;
}

void kb_free(void* memory) {
  if (memory == nullptr) return;
  const InterruptsOff off;
  (static_cast<Block*>(memory) - 1)->used = 0;
}

}  // extern "C"
