// SPDX-License-Identifier: Apache-2.0
//
// What recovering a check costs: at first sight of a trap, by the length of its function and the
// number of its checks, and for a trap that is known.
#include <benchmark/benchmark.h>

#include <cstring>
#include <memory>
#include <vector>

#include "trap/x86/check_recovery.h"
#include "trap/x86/recovery_cache.h"

namespace kebound::x86 {
namespace {

constexpr uint64_t kCode = 0x401000;

// A function of `checks` checked accesses with one trap, as compilers make them:
//   cmp $100,%rdi; ja trap; mov (%rdx,%rdi,4),%eax; mov %rsi,%rdi      each, the last one with $9
struct Function {
  std::vector<uint8_t> code;
  uint64_t trap = 0;

  explicit Function(unsigned checks) {
    for (unsigned i = 0; i < checks; ++i) {
      const uint32_t distance = 16 * (checks - i) - 10 + 1;
      const uint8_t limit = i + 1 == checks ? 9 : 100;
      const uint8_t check[16] = {0x48,
                                 0x83,
                                 0xff,
                                 limit,
                                 0x0f,
                                 0x87,
                                 uint8_t(distance),
                                 uint8_t(distance >> 8),
                                 uint8_t(distance >> 16),
                                 0,
                                 0x8b,
                                 0x04,
                                 0xba,
                                 0x48,
                                 0x89,
                                 0xf7};
      code.insert(code.end(), check, check + 16);
    }
    code.push_back(0xc3);
    trap = kCode + code.size();
    code.insert(code.end(), {0x0f, 0x0b});
  }

  RecoverySource source() { return {CodeMode::Bits64, {this, read}, {this, find}, {}}; }

  static size_t read(void* self, uint64_t address, void* buffer, size_t size) noexcept {
    const auto& code = static_cast<Function*>(self)->code;
    if (address < kCode || address >= kCode + code.size()) return 0;
    const size_t offset = address - kCode;
    const size_t length = std::min(size, code.size() - offset);
    std::memcpy(buffer, code.data() + offset, length);
    return length;
  }
  static bool find(void* self, uint64_t, CodePlace& out) noexcept {
    const CodeRange all{kCode, kCode + static_cast<Function*>(self)->code.size()};
    out = {all, all};
    return true;
  }
};

// The thread failed at the last check; the others do not have its flags.
Registers at_trap(const Function& function) {
  Registers registers;
  registers.rip = function.trap;
  registers.gpr[Rdi] = 12;
  registers.gpr[Rsi] = 12;
  registers.rflags = 0x206;  // of 12 - 9
  return registers;
}

void first_sight(benchmark::State& state) {
  Function function(static_cast<unsigned>(state.range(0)));
  const auto cache = std::make_unique<RecoveryCache>();
  const Registers registers = at_trap(function);
  BoundEvent event;
  Recovery recovery;
  for (auto _ : state) {
    forget_code(*cache, {0, ~uint64_t{0}});
    benchmark::DoNotOptimize(recover_check(function.source(), registers, *cache, event, recovery));
  }
  state.counters["bytes"] = static_cast<double>(function.code.size());
}
BENCHMARK(first_sight)->Arg(1)->Arg(8)->Arg(64)->Arg(512)->Unit(benchmark::kMicrosecond);

void known(benchmark::State& state) {
  Function function(static_cast<unsigned>(state.range(0)));
  const auto cache = std::make_unique<RecoveryCache>();
  const Registers registers = at_trap(function);
  BoundEvent event;
  Recovery recovery;
  if (!recover_check(function.source(), registers, *cache, event, recovery)) {
    state.SkipWithError("the check was not recovered");
  }
  for (auto _ : state) {
    benchmark::DoNotOptimize(recover_check(function.source(), registers, *cache, event, recovery));
  }
}
BENCHMARK(known)->Arg(1)->Arg(8)->Arg(64);

}  // namespace
}  // namespace kebound::x86

BENCHMARK_MAIN();
