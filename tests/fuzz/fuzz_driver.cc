// SPDX-License-Identifier: Apache-2.0
//
// A fuzz target without a fuzzer: the corpus, mutations of it and noise, the same on every run. It
// finds regressions; new ground is for libFuzzer.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

#include "tests/fuzz/fuzz_target.h"

namespace {

using Bytes = std::vector<uint8_t>;

// The input being tried, for the handler of the abort that ends a failing run.
const uint8_t* current_data = nullptr;
size_t current_size = 0;

void show_input(int) {
  static constexpr char kDigits[] = "0123456789abcdef";
  static constexpr char kIntroduction[] = "fuzz_driver: the input, in hex: ";
  // Nothing can be done about a failing write in a dying process.
  (void)!write(STDERR_FILENO, kIntroduction, sizeof kIntroduction - 1);
  for (size_t i = 0; i < current_size; ++i) {
    const char digits[2] = {kDigits[current_data[i] >> 4], kDigits[current_data[i] & 15]};
    (void)!write(STDERR_FILENO, digits, sizeof digits);
  }
  (void)!write(STDERR_FILENO, "\n", 1);
}

void try_input(const Bytes& input) {
  // A copy of exactly this size on the heap: AddressSanitizer sees every byte read beyond it.
  const Bytes copy(input);
  current_data = copy.data();
  current_size = copy.size();
  EXPECT_EQ(LLVMFuzzerTestOneInput(copy.data(), copy.size()), 0);
  current_size = 0;
}

const std::vector<Bytes>& corpus() {
  static const std::vector<Bytes> inputs = [] {
    std::vector<std::filesystem::path> paths;
    for (const auto& entry : std::filesystem::directory_iterator(KEBOUND_FUZZ_CORPUS)) {
      if (entry.is_regular_file()) paths.push_back(entry.path());
    }
    std::sort(paths.begin(), paths.end());  // the directory's order is not the same everywhere
    std::vector<Bytes> read;
    for (const auto& path : paths) {
      std::ifstream file(path, std::ios::binary);
      read.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
    return read;
  }();
  return inputs;
}

void mutate(Bytes& input, std::mt19937_64& random) {
  static constexpr uint8_t kInteresting[] = {0x00, 0x01, 0x7f, 0x80, 0xff, 0x20, 0x40};
  for (uint64_t count = 1 + random() % 4; count > 0; --count) {
    const size_t at = input.empty() ? 0 : random() % input.size();
    const auto place = input.begin() + static_cast<std::ptrdiff_t>(at);
    switch (input.empty() ? 3 : random() % 7) {
      case 0:
        *place = static_cast<uint8_t>(random());
        break;
      case 1:
        *place = static_cast<uint8_t>(*place ^ 1u << random() % 8);
        break;
      case 2:
        *place = kInteresting[random() % std::size(kInteresting)];
        break;
      case 3:
        input.insert(place, static_cast<uint8_t>(random()));
        break;
      case 4:
        input.erase(place);
        break;
      case 5:
        input.resize(at);
        break;
      default:
        std::copy(place, std::min(place + 4, input.end()),
                  input.begin() + static_cast<std::ptrdiff_t>(random() % (at + 1)));
        break;
    }
  }
  if (input.size() > KEBOUND_FUZZ_MAX_LENGTH) input.resize(KEBOUND_FUZZ_MAX_LENGTH);
}

class KEBOUND_FUZZ_SUITE : public testing::Test {
 protected:
  static void SetUpTestSuite() { signal(SIGABRT, show_input); }
  static void TearDownTestSuite() { signal(SIGABRT, SIG_DFL); }
};

TEST_F(KEBOUND_FUZZ_SUITE, TheCorpusPasses) {
  ASSERT_FALSE(corpus().empty());
  for (const Bytes& input : corpus()) try_input(input);
  try_input({});
}

TEST_F(KEBOUND_FUZZ_SUITE, MutationsOfTheCorpusPass) {
  std::mt19937_64 random(1);
  ASSERT_FALSE(corpus().empty());
  for (uint64_t run = 0; run < KEBOUND_FUZZ_RUNS; ++run) {
    Bytes input = corpus()[random() % corpus().size()];
    mutate(input, random);
    try_input(input);
  }
}

TEST_F(KEBOUND_FUZZ_SUITE, NoisePasses) {
  std::mt19937_64 random(2);
  for (uint64_t run = 0; run < KEBOUND_FUZZ_RUNS / 4; ++run) {
    Bytes input(random() % (KEBOUND_FUZZ_MAX_LENGTH + 1));
    for (uint8_t& byte : input) byte = static_cast<uint8_t>(random());
    try_input(input);
  }
}

}  // namespace
