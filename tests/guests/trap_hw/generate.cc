// SPDX-License-Identifier: Apache-2.0
#include "tests/guests/trap_hw/generate.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

namespace kebound::trap_hw {
namespace {

using x86::Registers;

constexpr uint32_t kPage = 4096;
constexpr uint8_t kInt3 = 0xcc;

enum SegmentPrefix : uint8_t {
  kEs = 0x26,
  kCs = 0x2e,
  kSs = 0x36,
  kDs = 0x3e,
  kFs = 0x64,
  kGs = 0x65
};
constexpr uint8_t kSegmentPrefixes[] = {kEs, kCs, kSs, kDs, kFs, kGs};

// The parts of an address in the making. Numbers are encodings; -1 is "none".
struct Address {
  int base = -1;
  int index = -1;
  uint32_t scale = 1;
  unsigned displacement_bytes = 0;
  uint32_t displacement = 0;
};

Address parts_of(const Shape& shape) noexcept {
  Address address;
  const unsigned mod = shape.modrm >> 6;
  const unsigned rm = shape.modrm & 7u;
  if (shape.address16) {
    static constexpr int kBases[8] = {3, 3, 5, 5, 6, 7, 5, 3};
    static constexpr int kIndexes[8] = {6, 7, 6, 7, -1, -1, -1, -1};
    const bool absolute = mod == 0 && rm == 6;
    address.base = absolute ? -1 : kBases[rm];
    address.index = absolute ? -1 : kIndexes[rm];
    address.displacement_bytes = absolute ? 2 : mod;
    return address;
  }
  const unsigned base = rm == 4 ? shape.sib & 7u : rm;
  if (rm == 4 && (shape.sib >> 3 & 7) != 4) {
    address.index = shape.sib >> 3 & 7;
    address.scale = 1u << (shape.sib >> 6);
  }
  const bool absolute = mod == 0 && base == 5;
  address.base = absolute ? -1 : static_cast<int>(base);
  address.displacement_bytes = absolute || mod == 2 ? 4 : mod;
  return address;
}

uint32_t value(const Registers& registers, int number) noexcept {
  return number < 0 ? 0 : static_cast<uint32_t>(registers.gpr[number]);
}

void set_low(uint64_t& value, uint32_t low, uint32_t mask) noexcept {
  value = (value & ~uint64_t{mask}) | (low & mask);
}

uint32_t offset_of(const Address& address, const Registers& registers, uint32_t mask) noexcept {
  return (value(registers, address.base) + value(registers, address.index) * address.scale +
          address.displacement) &
         mask;
}

// Makes the address come out as `offset`, or a few bytes off where base and index are one register.
void aim(Address& address, Registers& registers, uint32_t offset, uint32_t mask) noexcept {
  if (address.displacement_bytes == 4 || (address.displacement_bytes == 2 && mask == 0xffff)) {
    address.displacement += offset - offset_of(address, registers, mask);
  } else if (address.base >= 0 && address.base == address.index) {
    set_low(registers.gpr[address.base], (offset - address.displacement) / (1 + address.scale),
            mask);
  } else if (address.base >= 0) {
    const uint32_t wrong = offset_of(address, registers, mask);
    set_low(registers.gpr[address.base], value(registers, address.base) + offset - wrong, mask);
  }
}

uint32_t segment_base(const Registers& registers, uint8_t prefix) noexcept {
  if (prefix == kFs) return static_cast<uint32_t>(registers.fs_base);
  if (prefix == kGs) return static_cast<uint32_t>(registers.gs_base);
  return 0;
}

// A linear address to aim at: mostly inside memory, sometimes at an edge of it, sometimes at none.
uint32_t pick_target(Random& random, bool address16, uint8_t segment) noexcept {
  const uint32_t slack = random.below(12);
  const uint32_t start = segment == kFs ? kFsData : address16 ? 0x1000u : kData;
  const uint32_t size = address16        ? (segment == kFs ? 0x10000 : kLowData)
                        : segment == kFs ? kFsDataSize
                                         : kDataSize;
  switch (random.below(16)) {
    case 0:
      return start + size - slack;
    case 1:
      return start - slack;
    case 2:
      return address16 ? slack : kNothing + random.below(kPage);
    case 3:
      if (segment == kGs) return kGsBase - slack;  // offsets at the end of the segment
      return address16 ? start + random.below(size) : 0u - slack;
    default:
      return start + random.below(size - 8);
  }
}

// A bound beside the index, so that in and out of range, and just so, are about equally likely.
int64_t near_index(Random& random, int64_t index, int64_t least, int64_t greatest) noexcept {
  if (random.one_in(24)) return least;
  if (random.one_in(24)) return greatest;
  const int64_t near = index + static_cast<int64_t>(random.below(7)) - 3;
  return near < least ? least : near > greatest ? greatest : near;
}

bool writable(const Arena& arena, uint32_t linear, uint32_t size) noexcept {
  const auto within = [&](uint32_t start, uint32_t length) {
    return linear >= start && linear - start <= length - size;
  };
  return within(kData, kDataSize) || within(kFsData, kFsDataSize) ||
         within(kGsBase - kPage, 2 * kPage) || (arena.has_low_data && within(0x1000, kLowData));
}

void write_bounds(Random& random, const Arena& arena, uint32_t linear, bool operand16,
                  uint64_t index_value) noexcept {
  const uint32_t width = operand16 ? 2 : 4;
  const int64_t index =
      operand16 ? static_cast<int16_t>(index_value) : static_cast<int32_t>(index_value);
  const int64_t least = operand16 ? INT16_MIN : INT32_MIN;
  const int64_t greatest = operand16 ? INT16_MAX : INT32_MAX;
  const int64_t bounds[2] = {near_index(random, index - 1, least, greatest),
                             near_index(random, index + 1, least, greatest)};
  for (uint32_t i = 0; i < 2; ++i) {
    const uint32_t at = linear + i * width;
    // Linux is little-endian here: the low bytes of the number are the bound.
    if (writable(arena, at, width))
      memcpy(reinterpret_cast<void*>(uintptr_t{at}), &bounds[i], width);
  }
}

void choose_selectors(Random& random, const Machine& machine, Registers& registers) noexcept {
  if (!machine.has_data_selectors) return;
  static constexpr uint16_t kFlat[] = {0x2b, 0x2b, 0x2b, 0x2b, 0x2b, 0x2b, 0x23, 0x33, 0x28, 0};
  registers.ds = kFlat[random.below(10)];
  registers.es = kFlat[random.below(10)];
  if (!random.one_in(8)) {
    registers.fs = machine.fs_selector;
    registers.fs_base = kFsBase;
  }
  if (!random.one_in(8)) {
    registers.gs = machine.gs_selector;
    registers.gs_base = kGsBase;
  }
}

// Random prefixes, with those that the shape needs among them; returns the override in effect, or
// 0.
uint8_t choose_prefixes(Random& random, const Shape& shape, Trial& trial) noexcept {
  const uint32_t crowd = random.one_in(12) ? random.below(13) : random.below(3);
  uint8_t segment = 0;
  const uint32_t operand_at = random.below(crowd + 1);
  const uint32_t address_at = random.below(crowd + 1);
  for (uint32_t i = 0; i <= crowd; ++i) {
    if (i == operand_at && shape.operand16) trial.code[trial.size++] = 0x66;
    if (i == address_at && shape.address16) trial.code[trial.size++] = 0x67;
    if (i == crowd) break;
    const uint32_t kind = random.below(48);
    uint8_t prefix = 0;
    if (kind == 0) {
      prefix = 0xf0;
      trial.lock = true;
    } else if (kind < 4) {
      prefix = kind == 1 ? 0xf2 : 0xf3;
    } else {
      prefix = segment = kSegmentPrefixes[random.below(6)];
    }
    trial.code[trial.size++] = prefix;
  }
  return segment;
}

bool map_or_complain(uint64_t address, size_t size, int protection) noexcept {
  if (map_at(address, size, protection) != nullptr) return true;
  fprintf(stderr, "trap_hw: no memory at 0x%llx: ", static_cast<unsigned long long>(address));
  perror(nullptr);
  return false;
}

}  // namespace

bool map_arena(const Machine& machine, Arena& arena) noexcept {
  constexpr int kReadWrite = PROT_READ | PROT_WRITE;
  if (!map_or_complain(kCodePage, kPage, kReadWrite | PROT_EXEC) ||
      !map_or_complain(kData, kDataSize, kReadWrite) ||
      !map_or_complain(kFsData, kFsDataSize, kReadWrite) ||
      !map_or_complain(kGsBase - kPage, 2 * kPage, kReadWrite)) {
    return false;
  }
  arena.code = reinterpret_cast<uint8_t*>(uintptr_t{kCodePage});
  // vm.mmap_min_addr may forbid it; then 16-bit offsets find memory only through FS.
  arena.has_low_data = map_at(0x1000, kLowData, kReadWrite) != nullptr;
  // Memory on both sides of 4 GiB tempts a reader that does not stop there.
  return !machine.sees_past_4gib || map_or_complain(0xfffff000, 2 * kPage, kReadWrite);
}

Shape random_shape(Random& random) noexcept {
  Shape shape;
  shape.operand16 = random.one_in(3);
  shape.address16 = random.one_in(3);
  shape.modrm = static_cast<uint8_t>(random.below(0xc0));
  shape.sib = static_cast<uint8_t>(random.below(0x100));
  return shape;
}

Trial generate(Random& random, const Machine& machine, const Arena& arena,
               const Shape& shape) noexcept {
  Trial trial;
  Registers& registers = trial.registers;
  registers = baseline_registers();
  for (unsigned i = 0; i < 16; ++i) {
    registers.gpr[i] = random.one_in(2) ? random.next() : random.below(64);
    if (!machine.sees_past_4gib) registers.gpr[i] = i < 8 ? registers.gpr[i] & 0xffffffff : 0;
  }
  if (random.one_in(8)) registers.rflags |= 1u << 18;
  choose_selectors(random, machine, registers);

  uint8_t segment = choose_prefixes(random, shape, trial);
  Address address = parts_of(shape);
  if (segment == 0) segment = address.base == 4 || address.base == 5 ? kSs : kDs;
  address.displacement = static_cast<uint32_t>(random.next());
  if (address.displacement_bytes == 0) address.displacement = 0;
  if (address.displacement_bytes == 1) {
    address.displacement = static_cast<uint32_t>(static_cast<int8_t>(address.displacement));
  }
  const uint32_t mask = shape.address16 ? 0xffff : 0xffffffff;
  const uint32_t base = segment_base(registers, segment);
  aim(address, registers, (pick_target(random, shape.address16, segment) - base) & mask, mask);

  trial.code[trial.size++] = 0x62;
  trial.code[trial.size++] = shape.modrm;
  if (!shape.address16 && (shape.modrm & 7) == 4) trial.code[trial.size++] = shape.sib;
  memcpy(trial.code + trial.size, &address.displacement, address.displacement_bytes);
  trial.size += address.displacement_bytes;

  const uint32_t offset = offset_of(address, registers, mask);
  const uint32_t width = shape.operand16 ? 2 : 4;
  const uint64_t end = uint64_t{mask} + 1;
  // A lower bound across the end of a 4 GiB segment is a plain violation of its limit.
  trial.crosses_offset_end =
      offset + uint64_t{2 * width} > end && (shape.address16 || offset + uint64_t{width} <= end);
  write_bounds(random, arena, base + offset, shape.operand16, registers.gpr[shape.modrm >> 3 & 7]);
  return trial;
}

void place(const Arena& arena, Trial& trial, uint32_t at_end) noexcept {
  memset(arena.code, kInt3, kPage);
  const uint32_t start = at_end == 0 ? 0 : kPage - at_end;
  memcpy(arena.code + start, trial.code, at_end == 0 || at_end > trial.size ? trial.size : at_end);
  trial.registers.rip = kCodePage + start;
}

}  // namespace kebound::trap_hw
