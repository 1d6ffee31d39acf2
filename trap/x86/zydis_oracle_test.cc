// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/zydis_oracle.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <random>
#include <string>
#include <vector>

#include "trap/x86/fake_memory.h"

namespace kebound::x86 {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

constexpr uint8_t kPrefixes[] = {0x66, 0x67, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0xf0, 0xf2, 0xf3};

// Prefix runs: none, each alone, each pair in both orders, and some crowds.
std::vector<Bytes> prefix_runs() {
  std::vector<Bytes> runs = {{}};
  for (const uint8_t a : kPrefixes) runs.push_back({a});
  for (const uint8_t a : kPrefixes) {
    for (const uint8_t b : kPrefixes) runs.push_back({a, b});
  }
  for (const uint8_t s : Bytes{0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65}) {
    runs.push_back({0x66, 0x67, s});
    runs.push_back({s, 0x67, 0x66});
    runs.push_back({s, 0xf3, 0x65, 0x67});
    runs.push_back({0x64, 0x66, 0x66, s, 0x67, 0x67});
  }
  return runs;
}

// Everything behind the opcode that differs in shape: every ModRM, every SIB where there is one,
// and displacement bytes that make sign and order visible.
std::vector<Bytes> operand_shapes() {
  static const Bytes kTails[] = {{0x81, 0x92, 0xa3, 0xb4}, {0x7f, 0x12, 0x34, 0x56}};
  std::vector<Bytes> shapes;
  for (unsigned modrm = 0; modrm < 256; ++modrm) {
    const auto byte = static_cast<uint8_t>(modrm);
    const bool may_have_sib = modrm < 0xc0 && (modrm & 7) == 4;
    for (const Bytes& tail : kTails) {
      if (!may_have_sib) {
        shapes.push_back(Bytes{0x62, byte} + tail);
        continue;
      }
      for (unsigned sib = 0; sib < 256; ++sib) {
        shapes.push_back(Bytes{0x62, byte, static_cast<uint8_t>(sib)} + tail);
      }
    }
  }
  return shapes;
}

void expect_agreement_everywhere(CodeSize code_size) {
  const auto shapes = operand_shapes();
  size_t bounds = 0;
  for (const Bytes& prefixes : prefix_runs()) {
    for (const Bytes& shape : shapes) {
      const Bytes code = prefixes + shape;
      ASSERT_EQ(oracle::disagreement(code, code_size), "");
      BoundInstruction ignored;
      bounds += decode_bound(code.data(), code.size(), code_size, ignored);
    }
  }
  // The product was not of things both reject: 133 runs without LOCK, three quarters of the ModRMs.
  EXPECT_GT(bounds, 1'000'000u);
}

TEST(BoundAgainstZydis, AgreesOnEveryShapeOf32BitCode) {
  expect_agreement_everywhere(CodeSize::Bits32);
}

TEST(BoundAgainstZydis, AgreesOnEveryShapeOf16BitCode) {
  expect_agreement_everywhere(CodeSize::Bits16);
}

TEST(BoundAgainstZydis, AgreesOnEveryRunOfThreePrefixes) {
  for (const CodeSize code_size : {CodeSize::Bits16, CodeSize::Bits32}) {
    for (const uint8_t a : kPrefixes) {
      for (const uint8_t b : kPrefixes) {
        for (const uint8_t c : kPrefixes) {
          for (unsigned modrm = 0; modrm < 256; ++modrm) {
            const Bytes code = {a, b, c, 0x62, static_cast<uint8_t>(modrm), 0xed, 1, 2, 3, 4};
            ASSERT_EQ(oracle::disagreement(code, code_size), "");
          }
        }
      }
    }
  }
}

TEST(BoundAgainstZydis, AgreesOnTruncatedCode) {
  for (const CodeSize code_size : {CodeSize::Bits16, CodeSize::Bits32}) {
    for (const Bytes& prefixes : {Bytes{}, Bytes{0x66}, Bytes{0x67}, Bytes{0x64, 0x67, 0x66}}) {
      for (const Bytes& shape : operand_shapes()) {
        const Bytes code = prefixes + shape;
        for (size_t size = 0; size < code.size(); ++size) {
          ASSERT_EQ(oracle::disagreement(std::span(code.data(), size), code_size), "");
        }
      }
    }
  }
}

TEST(BoundAgainstZydis, AgreesOnEveryPairOfFirstBytes) {
  for (const CodeSize code_size : {CodeSize::Bits16, CodeSize::Bits32}) {
    for (unsigned first = 0; first < 256; ++first) {
      for (unsigned second = 0; second < 256; ++second) {
        const Bytes code = {static_cast<uint8_t>(first),
                            static_cast<uint8_t>(second),
                            0x62,
                            0x44,
                            0x62,
                            0x05,
                            0x62,
                            0x01,
                            0x02,
                            0x03,
                            0x04,
                            0x05,
                            0x06,
                            0x07};
        ASSERT_EQ(oracle::disagreement(code, code_size), "");
      }
    }
  }
}

TEST(BoundAgainstZydis, AgreesOnTheLengthLimit) {
  for (const CodeSize code_size : {CodeSize::Bits16, CodeSize::Bits32}) {
    for (const uint8_t prefix : Bytes{0x66, 0x67, 0x3e, 0x64, 0xf2, 0xf0}) {
      for (size_t count = 0; count < 20; ++count) {
        for (const Bytes& shape : {Bytes{0x62, 0x03}, Bytes{0x62, 0x43, 0x7f},
                                   Bytes{0x62, 0x84, 0x8b, 0x01, 0x02, 0x03, 0x04}}) {
          ASSERT_EQ(oracle::disagreement(Bytes(count, prefix) + shape, code_size), "");
        }
      }
    }
  }
}

// Bytes that are a BOUND more often than not.
rc::Gen<Bytes> likely_bound() {
  return rc::gen::exec([] {
    const auto count = *rc::gen::weightedOneOf<size_t>(
        {{8, rc::gen::inRange<size_t>(0, 4)}, {1, rc::gen::inRange<size_t>(4, 17)}});
    const auto prefixes =
        *rc::gen::container<Bytes>(count, rc::gen::weightedElement<uint8_t>({{20, 0x66},
                                                                             {20, 0x67},
                                                                             {6, 0x26},
                                                                             {6, 0x2e},
                                                                             {6, 0x36},
                                                                             {6, 0x3e},
                                                                             {9, 0x64},
                                                                             {9, 0x65},
                                                                             {1, 0xf0},
                                                                             {4, 0xf3}}));
    const auto modrm = *rc::gen::inRange<uint8_t>(0, 0xc8);  // a few of the register forms
    const auto tail = *rc::gen::container<Bytes>(6, rc::gen::arbitrary<uint8_t>());
    return prefixes + Bytes{0x62, modrm} + tail;
  });
}

// A property case is made of many: generating one costs more than deciding some.
constexpr int kVariations = 2000;

RC_GTEST_PROP(BoundAgainstZydisProperty, DecodesWhatZydisDecodes, ()) {
  const auto code = *likely_bound();
  for (size_t size = 0; size <= code.size(); ++size) {
    const auto bytes = std::span(code.data(), size);
    RC_ASSERT(oracle::disagreement(bytes, CodeSize::Bits32) == "");
    RC_ASSERT(oracle::disagreement(bytes, CodeSize::Bits16) == "");
  }
}

// Registers whose sums land near two readable pages often enough, next to wild ones.
uint64_t register_value(std::mt19937_64& random) {
  switch (random() % 6) {
    case 0:
      return random() % 0x40;
    case 1:
    case 2:
      return 0x4ff0 + random() % 0x1020;
    case 3:
      return 0xffffffc0 + random() % 0x40;
    case 4:
      return random() & 0xffffffff;
    default:
      return random();
  }
}

uint16_t selector(std::mt19937_64& random) {
  static constexpr uint16_t kUsual[] = {0x2b, 0x2b, 0x2b, 0x23};
  static constexpr uint16_t kRare[] = {0x33, 0x28, 0x63, 0x00, 0x03, 0x07, 0x0f, 0x7b};
  return random() % 4 != 0 ? kUsual[random() % 4] : kRare[random() % 8];
}

RC_GTEST_PROP(BoundAgainstZydisProperty, DecidesAsTheSecondSetOfRulesDoes, ()) {
  FakeMemory memory;
  std::mt19937_64 random(*rc::gen::arbitrary<uint64_t>());
  const auto code = *likely_bound();
  const auto rip = *rc::gen::element<uint64_t>(0x1000, 0x1ffa, 0x1fff, 0xfffffff0, 0xfffffffa);
  const auto next_page_missing = *rc::gen::arbitrary<bool>();
  for (size_t i = 0; i < code.size(); ++i) {
    if (next_page_missing && (rip + i) / FakeMemory::kPage != rip / FakeMemory::kPage) break;
    memory.write(rip + i, {code[i]});
  }
  // Whole pages of small numbers or of noise; beside them nothing is readable.
  const uint64_t mask = *rc::gen::element<uint64_t>(0x07, 0xff);
  for (const uint64_t page : {0x0u, 0x5000u, 0xffff000u}) {
    for (uint8_t& byte : memory.page(page)) byte = static_cast<uint8_t>(random() & mask);
  }
  std::array<unsigned, 5> seen = {};
  for (int i = 0; i < kVariations; ++i) {
    Registers registers;
    registers.rip = rip;
    for (uint64_t& value : registers.gpr) value = register_value(random);
    registers.cs = random() % 16 != 0 ? uint16_t{0x23} : selector(random);
    registers.ss = selector(random);
    registers.ds = selector(random);
    registers.es = selector(random);
    registers.fs = selector(random);
    registers.gs = selector(random);
    registers.fs_base = register_value(random);
    registers.gs_base = register_value(random);
    registers.rflags = random() % 4 != 0 ? 0x202 : 0x40202;
    RC_ASSERT(oracle::disagreement(registers, memory.reader()) == "");
    BoundEvent event;
    ++seen[static_cast<size_t>(evaluate_bound(registers, memory.reader(), event))];
  }
  static constexpr const char* kNames[] = {"not bound", "exceeded", "in range", "unreadable",
                                           "unsupported"};
  for (size_t i = 0; i < seen.size(); ++i) {
    if (seen[i] > 0) RC_TAG(std::string(kNames[i]));
  }
}

}  // namespace
}  // namespace kebound::x86
