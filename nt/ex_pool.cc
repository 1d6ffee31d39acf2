// SPDX-License-Identifier: Apache-2.0
//
// The pool. All blocks are known by address, so that any garbage can be told from an allocation
// without touching it.
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <unordered_map>

#include "include/nt/wdm.h"
#include "nt/deferred.h"
#include "nt/pool.h"
#include "nt/report.h"

namespace kebound::nt {

namespace {

// Behind each block, at any alignment: tells a write past the end.
constexpr uint64_t kTrailer = 0x6b65626f756e6421;
constexpr SIZE_T kLargest = SIZE_T{1} << 40;

struct Block {
  SIZE_T size;
  ULONG tag;
  bool paged;
  const Image* owner;
};

struct Pool {
  std::mutex mutex;
  std::unordered_map<const void*, Block> live;
  // The last addresses that were freed: freeing one again has a bug check of its own.
  std::array<const void*, 1024> freed{};
  size_t next_freed = 0;
};

Pool& pool() noexcept {
  static auto* instance = new Pool;
  return *instance;
}

[[nodiscard]] std::string tag_text(ULONG tag) {
  std::string text(4, '.');
  for (size_t i = 0; i < 4; ++i) {
    const auto c = static_cast<char>(tag >> (8 * i) & 0xff);
    if (c >= ' ' && c <= '~') text[i] = c;
  }
  return text;
}

void* allocate(SIZE_T size, ULONG tag, bool paged, bool cache_aligned, uint64_t caller) {
  const KIRQL irql = KeGetCurrentIrql();
  if (irql > DISPATCH_LEVEL || (paged && irql > APC_LEVEL)) {
    raise_bug_check(BugCheckCode::BadPoolCaller, {0x08, irql, paged ? 1U : 0U, size}, caller,
                    std::string(paged ? "paged" : "nonpaged") + " pool is allocated at IRQL " +
                        std::to_string(irql));
  }
  if (size > kLargest) return nullptr;
  const size_t alignment = size >= PAGE_SIZE ? PAGE_SIZE : (cache_aligned ? 64 : 16);
  void* memory = nullptr;
  if (posix_memalign(&memory, alignment, size + sizeof kTrailer) != 0) return nullptr;
  memcpy(static_cast<char*>(memory) + size, &kTrailer, sizeof kTrailer);
  const Block block = {size, tag, paged, image_at(caller)};
  Pool& p = pool();
  const std::lock_guard lock(p.mutex);
  p.live.insert_or_assign(memory, block);
  return memory;
}

enum class FreeResult { Freed, NotAllocated, FreedBefore, WrongTag, Overrun };

FreeResult take(void* memory, ULONG tag, Block& block) {
  Pool& p = pool();
  const std::lock_guard lock(p.mutex);
  const auto found = p.live.find(memory);
  if (found == p.live.end()) {
    const bool before = std::find(p.freed.begin(), p.freed.end(), memory) != p.freed.end();
    return before && memory != nullptr ? FreeResult::FreedBefore : FreeResult::NotAllocated;
  }
  block = found->second;
  if (tag != 0 && tag != block.tag) return FreeResult::WrongTag;
  if (memcmp(static_cast<char*>(memory) + block.size, &kTrailer, sizeof kTrailer) != 0)
    return FreeResult::Overrun;
  p.live.erase(found);
  p.freed[p.next_freed++ % p.freed.size()] = memory;
  return FreeResult::Freed;
}

void release(void* memory, ULONG tag, uint64_t caller) {
  const uint64_t address = address_of(memory);
  Block block{};
  const auto bad_caller = [&](uint64_t kind, std::string what) {
    raise_bug_check(BugCheckCode::BadPoolCaller, {kind, block.tag, address, caller}, caller,
                    std::move(what));
  };
  const KIRQL irql = KeGetCurrentIrql();
  if (irql > DISPATCH_LEVEL) {
    raise_bug_check(BugCheckCode::BadPoolCaller, {0x09, irql, 0, address}, caller,
                    "pool is freed at IRQL " + std::to_string(irql));
  }
  switch (take(memory, tag, block)) {
    case FreeResult::Freed:
      break;
    case FreeResult::NotAllocated:
      bad_caller(0x46, "the free of " + hex(address) + ", which is no pool allocation");
      break;
    case FreeResult::FreedBefore:
      bad_caller(0x07, "the free of " + hex(address) + ", which was freed before");
      break;
    case FreeResult::WrongTag:
      bad_caller(0x0A, "the free of " + hex(address) + " with tag '" + tag_text(tag) +
                           "', allocated with '" + tag_text(block.tag) + "'");
      break;
    case FreeResult::Overrun:
      raise_bug_check(BugCheckCode::BadPoolHeader, {0x20, address, address + block.size, 0}, caller,
                      "something was written behind the " + std::to_string(block.size) +
                          " bytes of the block at " + hex(address) + ", tag '" +
                          tag_text(block.tag) + "'");
  }
  if (deferred_in_range(address, address + block.size)) {
    raise_bug_check(BugCheckCode::TimerOrDpcInvalid, {0, address, block.size, 0}, caller,
                    "the block freed at " + hex(address) +
                        " holds a timer that is set or a DPC that is queued");
  }
  free(memory);
}

[[nodiscard]] bool is_paged(POOL_TYPE type) noexcept {
  return (static_cast<unsigned>(type) & 1) != 0;
}
[[nodiscard]] bool is_cache_aligned(POOL_TYPE type) noexcept {
  return (static_cast<unsigned>(type) & 4) != 0;
}

constexpr ULONG kNoTag = 0x656e6f4e;  // "None", what ExAllocatePool allocates with

}  // namespace

std::vector<PoolLeak> take_pool_leaks(const Image& image) {
  std::map<ULONG, PoolLeak> by_tag;
  Pool& p = pool();
  const std::lock_guard lock(p.mutex);
  for (auto& [memory, block] : p.live) {
    if (block.owner != &image) continue;
    PoolLeak& leak = by_tag[block.tag];
    leak.tag = tag_text(block.tag);
    ++leak.blocks;
    leak.bytes += block.size;
    block.owner = nullptr;
  }
  std::vector<PoolLeak> leaks;
  for (const auto& [tag, leak] : by_tag) leaks.push_back(leak);
  return leaks;
}

}  // namespace kebound::nt

using namespace kebound::nt;

extern "C" {

PVOID ExAllocatePoolWithTag(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag) {
  return allocate(NumberOfBytes, Tag, is_paged(PoolType), is_cache_aligned(PoolType),
                  KEBOUND_CALLER());
}

PVOID ExAllocatePool(POOL_TYPE PoolType, SIZE_T NumberOfBytes) {
  return allocate(NumberOfBytes, kNoTag, is_paged(PoolType), is_cache_aligned(PoolType),
                  KEBOUND_CALLER());
}

PVOID ExAllocatePool2(POOL_FLAGS Flags, SIZE_T NumberOfBytes, ULONG Tag) {
  const uint64_t caller = KEBOUND_CALLER();
  const POOL_FLAGS kind =
      Flags & (POOL_FLAG_NON_PAGED | POOL_FLAG_NON_PAGED_EXECUTE | POOL_FLAG_PAGED);
  const bool one_kind = kind != 0 && (kind & (kind - 1)) == 0;
  void* memory = nullptr;
  if (one_kind && NumberOfBytes != 0 && Tag != 0) {
    memory = allocate(NumberOfBytes, Tag, kind == POOL_FLAG_PAGED,
                      (Flags & POOL_FLAG_CACHE_ALIGNED) != 0, caller);
  }
  if (memory == nullptr) {
    if ((Flags & POOL_FLAG_RAISE_ON_FAILURE) != 0) {
      raise_status(STATUS_INSUFFICIENT_RESOURCES, caller,
                   "ExAllocatePool2 failed with POOL_FLAG_RAISE_ON_FAILURE");
    }
    return nullptr;
  }
  if ((Flags & POOL_FLAG_UNINITIALIZED) == 0) memset(memory, 0, NumberOfBytes);
  return memory;
}

VOID ExFreePoolWithTag(PVOID P, ULONG Tag) { release(P, Tag, KEBOUND_CALLER()); }

VOID ExFreePool(PVOID P) { release(P, 0, KEBOUND_CALLER()); }

}  // extern "C"
