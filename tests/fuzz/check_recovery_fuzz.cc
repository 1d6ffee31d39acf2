// SPDX-License-Identifier: Apache-2.0
//
// The input is a thread at a trap: registers, flags, and the code around it, of which the trap is
// somewhere in the middle. Whatever it is, the recovery must end, stay inside of what it was given,
// and not contradict itself.
#include <memory>

#include "tests/fuzz/fuzz_target.h"
#include "trap/x86/check_recovery.h"
#include "trap/x86/fake_memory.h"
#include "trap/x86/recovery_cache.h"

using kebound::BoundEvent;
using kebound::Confidence;
using kebound::Doubt;
using kebound::FakeMemory;
using kebound::fuzz::fail_if;
using kebound::fuzz::Input;
using namespace kebound::x86;

namespace {

constexpr uint64_t kCode = 0x401000;
constexpr uint64_t kStack = 0x7fff0000;

struct Function {
  CodeRange range;
  CodeRange text;

  static bool find(void* self, uint64_t address, CodePlace& out) noexcept {
    const Function& function = *static_cast<Function*>(self);
    if (!function.range.contains(address)) return false;
    out = {function.range, function.text};
    return true;
  }
};

void check(const BoundEvent& event, const Recovery& recovery, bool found) {
  fail_if(recovery.place_count <= kMaxIndexPlaces ? "" : "too many places");
  if (!found) return;
  if (event.resumable) {
    fail_if(event.confidence != Confidence::Unknown ? "" : "resumable without an index");
    fail_if(event.doubt == Doubt::None ? "" : "resumable with a doubt");
    fail_if(recovery.place_count != 0 ? "" : "resumable with no place for the index");
    fail_if(recovery.resume_ip == event.ip ? "" : "resumed elsewhere");
  } else {
    fail_if(event.doubt != Doubt::None ? "" : "not resumable, and no reason");
  }
  if (event.confidence == Confidence::Unknown) return;
  fail_if(event.index < event.lower || event.index > event.upper ? "" : "an index within limits");
  fail_if(event.index_width != 0 ? "" : "an index without a width");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::unique_ptr<RecoveryCache> cache(new RecoveryCache());
  Input input(data, size);
  const auto options = input.take<uint8_t>();
  Registers registers;
  // Small numbers and what looks like addresses: random ones agree with no compare.
  for (uint64_t& value : registers.gpr) {
    const auto byte = input.take<uint8_t>();
    value = byte < 0x80 ? byte : byte < 0xc0 ? kStack + 8 * (byte & 0x3f) : ~uint64_t{0} - byte;
  }
  registers.gpr[Rsp] = kStack + 0x100;
  registers.rflags = 0x202 | input.take<uint16_t>();
  const auto trap = input.take<uint8_t>();
  FakeMemory memory;
  memory.page(kStack);
  memory.write(kCode, input.rest());
  const uint64_t end = kCode + input.rest().size();
  // One of them is a trap.
  const uint64_t trap_ip = kCode + (input.rest().empty() ? 0 : trap % input.rest().size());
  if (options & 1) {
    memory.write(trap_ip, {0x0f, 0x0b});
  } else {
    memory.write(trap_ip, {0x67, 0x0f, 0xb9, 0x40, 0x12});
  }
  registers.rip = trap_ip;
  Function function{{kCode, end + (options & 2 ? 0 : 8)}, {kCode - 4096, end + 4096}};
  const RecoverySource source{options & 4 ? CodeMode::Bits32 : CodeMode::Bits64,
                              memory.reader(),
                              {&function, Function::find},
                              {(options & 8) != 0, (options & 16) != 0}};
  BoundEvent first;
  BoundEvent second;
  Recovery recovery;
  forget_code(*cache, {0, ~uint64_t{0}});
  const bool found = recover_check(source, registers, *cache, first, recovery);
  check(first, recovery, found);
  // From the cache it is the same.
  const bool again = recover_check(source, registers, *cache, second, recovery);
  check(second, recovery, again);
  fail_if(found == again && (!found || first == second) ? "" : "the cache tells another story");
  return 0;
}
