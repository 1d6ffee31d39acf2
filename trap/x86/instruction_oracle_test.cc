// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/instruction_oracle.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "report/elf_file.h"

namespace kebound::x86 {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr uint64_t kAddress = 0x401000;
constexpr CodeMode kModes[] = {CodeMode::Bits32, CodeMode::Bits64};

Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// What can follow an opcode: the ModRMs, the SIBs that are special, and bytes for displacements and
// immediates in which sign and order are visible.
std::vector<Bytes> shapes(const std::vector<unsigned>& modrms) {
  static const Bytes kTail = {0x81, 0x92, 0xa3, 0xb4, 0xc5, 0xd6, 0xe7, 0xf8, 0x09};
  std::vector<Bytes> out;
  for (const unsigned modrm : modrms) {
    const auto byte = static_cast<uint8_t>(modrm);
    if (byte >= 0xc0 || (byte & 7) != 4) {
      out.push_back(Bytes{byte} + kTail);
      continue;
    }
    // No index, no base, neither, rbp and r13 as either, the scales.
    for (const uint8_t sib : Bytes{0x24, 0x25, 0x65, 0x8d, 0xd3, 0x05}) {
      out.push_back(Bytes{byte, sib} + kTail);
    }
  }
  return out;
}

std::vector<Bytes> all_shapes() {
  std::vector<unsigned> all;
  for (unsigned i = 0; i < 256; ++i) all.push_back(i);
  return shapes(all);
}

// Each mod, each reg, the special rms.
std::vector<Bytes> few_shapes() {
  return shapes({0x00, 0x05, 0x0c, 0x43, 0x84, 0x10, 0x18, 0x20, 0x28, 0x30, 0x38, 0xc0, 0xc9, 0xd2,
                 0xdc, 0xe5, 0xf1, 0xff});
}

class Counter {
 public:
  void compare(const Bytes& code, CodeMode mode) {
    Instruction instruction;
    decoded_ += decode_instruction(code.data(), code.size(), kAddress, mode, instruction);
    const std::string disagreement = oracle::disagreement(code, kAddress, mode);
    if (!disagreement.empty() && ++failures_ <= 20) ADD_FAILURE() << disagreement;
  }
  [[nodiscard]] size_t decoded() const { return decoded_; }

 private:
  size_t decoded_ = 0;
  size_t failures_ = 0;
};

size_t compare_legacy(const Bytes& escape, const std::vector<Bytes>& tails) {
  static const std::vector<Bytes> kPrefixes = {
      {}, {0x66}, {0x67}, {0xf2}, {0xf3}, {0xf0}, {0x66, 0xf3}, {0x64, 0x2e}, {0xf3, 0x36, 0xf2}};
  static const std::vector<Bytes> kRex = {{}, {0x40}, {0x41}, {0x4e}, {0x4d, 0x66}};
  Counter counter;
  for (const CodeMode mode : kModes) {
    for (const Bytes& prefix : kPrefixes) {
      for (const Bytes& rex : kRex) {
        if (mode == CodeMode::Bits32 && !rex.empty()) continue;
        for (unsigned opcode = 0; opcode < 256; ++opcode) {
          const Bytes start = prefix + rex + escape + Bytes{static_cast<uint8_t>(opcode)};
          for (const Bytes& tail : tails) counter.compare(start + tail, mode);
        }
      }
    }
  }
  return counter.decoded();
}

TEST(InstructionAgainstZydis, AgreesOnTheOneByteMap) {
  EXPECT_GT(compare_legacy({}, all_shapes()), 2'000'000u);
}

TEST(InstructionAgainstZydis, AgreesOnMap0f) {
  EXPECT_GT(compare_legacy({0x0f}, all_shapes()), 2'000'000u);
}

TEST(InstructionAgainstZydis, AgreesOnMaps0f38And0f3a) {
  EXPECT_GT(compare_legacy({0x0f, 0x38}, few_shapes()), 300'000u);
  EXPECT_GT(compare_legacy({0x0f, 0x3a}, few_shapes()), 300'000u);
}

TEST(InstructionAgainstZydis, AgreesOnVexAndXop) {
  Counter counter;
  const std::vector<Bytes> tails = few_shapes();
  for (const CodeMode mode : kModes) {
    for (unsigned opcode = 0; opcode < 256; ++opcode) {
      for (const Bytes& tail : tails) {
        const Bytes rest = Bytes{static_cast<uint8_t>(opcode)} + tail;
        for (unsigned fields = 0xc0; fields < 0x300; fields += 0x0f) {  // inverted R, vvvv, L, pp
          counter.compare(Bytes{0xc5, static_cast<uint8_t>(fields)} + rest, mode);
        }
        for (const unsigned escape : {0xc4u, 0x8fu}) {
          for (unsigned map = 1; map < 12; ++map) {
            for (const unsigned inverted : {0xe0u, 0x40u}) {
              for (const unsigned fields : {0x78u, 0x79u, 0x7au, 0x7bu, 0xf8u, 0x50u, 0x1du}) {
                counter.compare(
                    Bytes{static_cast<uint8_t>(escape), static_cast<uint8_t>(inverted | map),
                          static_cast<uint8_t>(fields)} +
                        rest,
                    mode);
              }
            }
          }
        }
      }
    }
  }
  EXPECT_GT(counter.decoded(), 1'000'000u);
}

TEST(InstructionAgainstZydis, AgreesOnEvex) {
  Counter counter;
  const std::vector<Bytes> tails = few_shapes();
  for (const CodeMode mode : kModes) {
    for (unsigned opcode = 0; opcode < 256; ++opcode) {
      for (const Bytes& tail : tails) {
        for (unsigned map = 1; map < 8; ++map) {
          for (const unsigned inverted : {0xf0u, 0x90u, 0x40u}) {
            for (const unsigned fields : {0x7cu, 0x7du, 0x7eu, 0x7fu, 0xfcu, 0xfdu, 0xfeu, 0x55u}) {
              for (const uint8_t last : Bytes{0x08, 0x49, 0xd8}) {
                counter.compare(
                    Bytes{0x62, static_cast<uint8_t>(inverted | map), static_cast<uint8_t>(fields),
                          last, static_cast<uint8_t>(opcode)} +
                        tail,
                    mode);
              }
            }
          }
        }
      }
    }
  }
  EXPECT_GT(counter.decoded(), 1'000'000u);
}

TEST(InstructionAgainstZydis, AgreesWhereTheCodeEndsOrIsTooLong) {
  Counter counter;
  for (const CodeMode mode : kModes) {
    for (const Bytes& instruction :
         {Bytes{0x81, 0x84, 0x8b, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08},
          Bytes{0x0f, 0x3a, 0x0f, 0x44, 0x24, 0x10, 0x20},
          Bytes{0xc4, 0xe2, 0x71, 0xb8, 0x44, 0x24, 1},
          Bytes{0x62, 0xf1, 0x7c, 0x48, 0x10, 0x84, 0x24, 1, 2, 3, 4}, Bytes{0xe8, 1, 2, 3, 4},
          Bytes{0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8}, Bytes{0xa1, 1, 2, 3, 4, 5, 6, 7, 8}}) {
      for (size_t prefixes = 0; prefixes < 16; ++prefixes) {
        const Bytes code = Bytes(prefixes, 0x3e) + instruction;
        for (size_t size = 0; size <= code.size(); ++size) {
          counter.compare(Bytes(code.begin(), code.begin() + static_cast<std::ptrdiff_t>(size)),
                          mode);
        }
      }
    }
  }
}

TEST(InstructionAgainstZydis, AgreesOnNoise) {
  Counter counter;
  std::mt19937_64 random(4);
  for (unsigned i = 0; i < 1'000'000; ++i) {
    Bytes code(15);
    for (uint8_t& byte : code) byte = static_cast<uint8_t>(random());
    counter.compare(code, kModes[i & 1]);
  }
  EXPECT_GT(counter.decoded(), 500'000u);
}

// All executable segments of a file, one instruction after the other.
struct Sweep {
  size_t instructions = 0;
  size_t named = 0;
  size_t too_many_registers = 0;
  size_t too_many_flags = 0;
  size_t too_much_memory = 0;
};

void sweep(const report::ElfFile& file, Sweep& out) {
  const CodeMode mode = file.is_64bit() ? CodeMode::Bits64 : CodeMode::Bits32;
  size_t failures = 0;
  for (const report::LoadSegment& segment : file.segments()) {
    if (!segment.executable) continue;
    const std::span<const uint8_t> bytes =
        std::span(file.bytes()).subspan(segment.offset, segment.file_size);
    for (size_t at = 0; at < bytes.size();) {
      const auto code = bytes.subspan(at, std::min<size_t>(15, bytes.size() - at));
      const std::string disagreement = oracle::disagreement(code, segment.address + at, mode);
      if (!disagreement.empty() && ++failures <= 20) {
        ADD_FAILURE() << std::hex << segment.address + at << ": " << disagreement;
      }
      const oracle::Surplus surplus = oracle::surplus(code, segment.address + at, mode);
      at += surplus.length == 0 ? 1 : surplus.length;
      if (surplus.length == 0) continue;
      ++out.instructions;
      out.named += surplus.named;
      out.too_many_registers += surplus.registers;
      out.too_many_flags += surplus.flags;
      out.too_much_memory += surplus.memory;
    }
  }
}

void sweep_files(const std::vector<std::string>& paths) {
  Sweep total;
  for (const std::string& path : paths) {
    SCOPED_TRACE(path);
    if (const auto file = report::ElfFile::open(path)) sweep(*file, total);
  }
  printf(
      "%zu instructions, %zu named; more is said than has to be of registers %zu, flags %zu, "
      "memory %zu\n",
      total.instructions, total.named, total.too_many_registers, total.too_many_flags,
      total.too_much_memory);
  ASSERT_GT(total.instructions, 300'000u) << "too few of the files are here";
  // Conservative is not the same as useless.
  EXPECT_GT(total.named, total.instructions * 3 / 4);
  EXPECT_LT(total.too_many_registers, total.instructions / 1000);
  EXPECT_LT(total.too_many_flags, total.instructions / 1000);
  EXPECT_LT(total.too_much_memory, total.instructions / 500);
}

TEST(InstructionAgainstZydis, AgreesOnTheSystems64BitCode) {
  sweep_files({"/lib/x86_64-linux-gnu/libc.so.6", "/lib/x86_64-linux-gnu/libm.so.6",
               "/usr/lib/x86_64-linux-gnu/libstdc++.so.6", "/usr/bin/bash", "/usr/bin/perl"});
}

TEST(InstructionAgainstZydis, AgreesOnTheSystems32BitCode) {
  sweep_files({"/lib32/libc.so.6", "/lib32/libm.so.6", "/usr/lib32/libstdc++.so.6",
               "/usr/lib32/libgcc_s.so.1", "/usr/lib32/libasan.so.8"});
}

}  // namespace
}  // namespace kebound::x86
