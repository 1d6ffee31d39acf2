// SPDX-License-Identifier: Apache-2.0
//
// The input is code. decode_bound() has to say what Zydis says.
#include "tests/fuzz/fuzz_target.h"
#include "trap/x86/compiler_trap.h"
#include "trap/x86/zydis_oracle.h"

using kebound::fuzz::fail_if;
using namespace kebound::x86;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const uint8_t> code(data, size);
  fail_if(oracle::disagreement(code, CodeSize::Bits32));
  fail_if(oracle::disagreement(code, CodeSize::Bits16));
  CompilerTrap trap;
  if (decode_compiler_trap(data, size, trap)) {
    fail_if(trap.length <= size ? "" : "a compiler trap longer than the code");
    fail_if(trap.length >= 2 && trap.length <= 5 ? "" : "a compiler trap of impossible length");
  }
  return 0;
}
