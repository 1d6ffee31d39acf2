// SPDX-License-Identifier: Apache-2.0
//
// The input is a stopped thread: registers, code and a little memory. evaluate_bound() has to
// decide as the oracle's second set of rules does.
#include "tests/fuzz/fuzz_target.h"
#include "trap/x86/fake_memory.h"
#include "trap/x86/zydis_oracle.h"

using kebound::FakeMemory;
using kebound::fuzz::fail_if;
using kebound::fuzz::Input;
using namespace kebound::x86;

namespace {

// Bits of the input's first byte.
constexpr uint8_t kMapBounds = 1;      // the page of the lower bound is there
constexpr uint8_t kMapNext = 2;        // and the one behind it
constexpr uint8_t kCodeAtPageEnd = 4;  // the code begins 4 bytes before a page that may be missing
constexpr uint8_t kCodeAt4GiB = 8;     // or before the end of the addresses
constexpr uint8_t kMapNextCode = 16;
constexpr uint8_t kAlignmentCheck = 32;
constexpr uint8_t kUpperHalves = 64;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  const auto options = input.take<uint8_t>();
  Registers registers;
  registers.cs = 0x23;
  for (unsigned i = 0; i < 8; ++i) {
    registers.gpr[i] = input.take<uint32_t>();
    if (options & kUpperHalves) registers.gpr[i] |= 0xdeadbeef00000000;
  }
  registers.fs_base = input.take<uint32_t>();
  registers.gs_base = input.take<uint32_t>();
  for (uint16_t* selector :
       {&registers.cs, &registers.ss, &registers.ds, &registers.es, &registers.fs, &registers.gs}) {
    // One byte each, changes against the flat selectors: a fuzzer finds 0 sooner than 0x23.
    const uint16_t flat = selector == &registers.cs ? 0x23 : 0x2b;
    *selector = static_cast<uint16_t>(flat ^ input.take<uint8_t>());
  }
  registers.rflags = options & kAlignmentCheck ? 0x40202 : 0x202;
  registers.rip = options & kCodeAt4GiB      ? 0xfffffffc
                  : options & kCodeAtPageEnd ? 0x8048ffc
                                             : 0x8048000;

  FakeMemory memory;
  const auto code = input.take_bytes(kMaxInstructionLength + 1);
  for (size_t i = 0; i < code.size(); ++i) {
    const bool next_page =
        (registers.rip + i) / FakeMemory::kPage != registers.rip / FakeMemory::kPage;
    if (!next_page || (options & kMapNextCode)) memory.write(registers.rip + i, {code[i]});
  }
  BoundInstruction instruction;
  uint32_t linear = 0;
  if (decode_bound(code.data(), code.size(), CodeSize::Bits32, instruction) &&
      effective_address(instruction, registers, linear) && (options & kMapBounds)) {
    memory.page(linear);
    if (options & kMapNext) memory.page(linear + uint64_t{8});
    for (const uint8_t byte : input.rest()) {
      uint8_t present = 0;
      if (memory.reader().read(linear, &present, 1)) memory.write(linear, {byte});
      ++linear;
    }
  }
  fail_if(oracle::disagreement(registers, memory.reader()));
  return 0;
}
