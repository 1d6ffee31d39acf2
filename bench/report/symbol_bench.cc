// SPDX-License-Identifier: Apache-2.0
//
// symbol_bench FILE < ADDRESSES: function, file and line of each of the file's own addresses (in
// hex, one a line) through report/, in the form of `addr2line -f -i -C`; the times go to standard
// error.
#include <fmt/format.h>
#include <stdio.h>

#include <chrono>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "report/symbolizer.h"

int main(int argc, char** argv) {
  using namespace kebound;
  if (argc != 2) {
    fprintf(stderr, "usage: symbol_bench FILE < ADDRESSES\n");
    return 2;
  }
  std::vector<uint64_t> addresses;
  for (std::string line; std::getline(std::cin, line);)
    addresses.push_back(std::stoull(line, nullptr, 16));

  const auto elf = report::ElfFile::open(argv[1]);
  if (!elf) {
    fprintf(stderr, "symbol_bench: %s: not an ELF file\n", argv[1]);
    return 1;
  }
  events::ModuleMap map;
  map.is_64bit = elf->is_64bit();
  constexpr uint64_t kBase = 0x10000000;  // page-aligned, as a loader would choose
  for (const auto& segment : elf->segments()) {
    const uint64_t page = segment.address & ~uint64_t{0xfff};
    map.mappings.push_back({kBase + page, kBase + segment.address + segment.file_size,
                            segment.offset - (segment.address - page), segment.executable, argv[1],
                            argv[1]});
  }
  using Clock = std::chrono::steady_clock;
  const auto since = [](Clock::time_point start) {
    return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
  };
  report::Symbolizer symbolizer;
  auto start = Clock::now();
  if (!addresses.empty()) (void)symbolizer.locate(map, kBase + addresses[0]);
  const double first = since(start);
  start = Clock::now();
  for (const uint64_t address : addresses) {
    const auto location = symbolizer.locate(map, kBase + address);
    if (location.frames.empty()) fmt::print("??\n??:0\n");
    for (const auto& frame : location.frames) {
      fmt::print("{}\n{}:{}\n", frame.function.empty() ? "??" : frame.function,
                 frame.file.empty() ? "??" : frame.file, frame.line);
    }
  }
  const double all = since(start);
  start = Clock::now();
  for (const uint64_t address : addresses) (void)symbolizer.locate(map, kBase + address);
  const double again = since(start);
  const auto count = static_cast<double>(addresses.size());
  fmt::print(stderr, "first {:.0f} us, then {:.1f} us each, again {:.2f} us each\n", first,
             all / count, again / count);
  return 0;
}
