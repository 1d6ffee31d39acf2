// SPDX-License-Identifier: Apache-2.0
#include "hosts/inproc/check_trap.h"

#include "core/atomic.h"
#include "hosts/inproc/image.h"
#include "hosts/inproc/machine.h"
#include "hosts/inproc/trap_message.h"
#include "trap/elf/unwind_table.h"
#include "trap/x86/check_recovery.h"
#include "trap/x86/recovery_cache.h"
#include "trap/x86/trap_numbers.h"

namespace kebound::inproc {
namespace {

alignas(x86::RecoveryCache) constinit unsigned char g_cache_bytes[sizeof(x86::RecoveryCache)] = {};

x86::RecoveryCache& cache() noexcept { return x86::RecoveryCache::in_zeroed(g_cache_bytes); }

size_t read_own_memory(void*, uint64_t address, void* buffer, size_t size) noexcept {
  return kebound_copy(buffer, reinterpret_cast<const void*>(static_cast<uintptr_t>(address)), size);
}
constexpr MemoryReader kOwnMemory{nullptr, read_own_memory};

bool read_image(const Image& image, elf::Image& out) noexcept {
  elf::ProgramHeaders headers;
  return image.found() && elf::find_program_headers(image.begin, kOwnMemory, headers) &&
         elf::read_image(headers, kOwnMemory, out);
}

bool find_function(void*, uint64_t address, x86::CodePlace& out) noexcept {
  elf::Image image;
  if (!read_image(image_of(address), image)) return false;
  const x86::CodeRange* const text = elf::text_around(image, address);
  if (text == nullptr) return false;
  out.text = *text;
  return elf::function_around(image, address, kOwnMemory, out.function);
}

bool find_arrays_around(void*, uint64_t address, x86::ArrayNest& out) noexcept {
  return find_arrays(address, out);
}

bool find_facts(void*, uint64_t address, x86::FunctionFacts& out) noexcept {
  return find_function_facts(address, out);
}

// Which images number their traps, as far as one had to know: where an image begins, and a bit. Two
// that share a place throw each other out.
constexpr size_t kRemembered = 64;
constexpr uint64_t kNumbers = 1;
constinit Atomic<uint64_t> g_remembered[kRemembered];

Atomic<uint64_t>& remembered(uint64_t begin) noexcept {
  return g_remembered[(begin * 0x9e3779b97f4a7c15u >> 32) % kRemembered];
}

bool image_numbers_its_traps(uint64_t ip) noexcept {
  const Image image = image_of(ip);
  if (!image.found()) return false;
  Atomic<uint64_t>& place = remembered(image.begin);
  const uint64_t known = place.load(MemoryOrder::Relaxed);
  if ((known & ~kNumbers) == image.begin) return (known & kNumbers) != 0;
  elf::Image headers;
  bool numbers = false;
  if (read_image(image, headers)) {
    const x86::CodeRange* const text = elf::text_around(headers, ip);
    numbers = text != nullptr && x86::numbers_its_traps(*text, headers.mode, kOwnMemory);
  }
  place.store(image.begin | (numbers ? kNumbers : 0), MemoryOrder::Relaxed);
  return numbers;
}

x86::RecoverySource source_for(const x86::Registers& registers) noexcept {
  x86::RecoverySource source;
  source.mode = registers.cs == kCode64 ? x86::CodeMode::Bits64 : x86::CodeMode::Bits32;
  source.memory = kOwnMemory;
  source.functions = {nullptr, find_function};
  source.arrays = {nullptr, find_arrays_around};
  source.facts = {nullptr, find_facts};
  return source;
}

}  // namespace

bool recover_check_trap(const x86::CompilerTrap& trap, Trap& found) noexcept {
  x86::RecoverySource source = source_for(found.registers);
  source.evidence.unique_traps = image_numbers_its_traps(found.registers.rip);
  found.detail[0] = '\0';
  // clang's ud1 says by itself what it is.
  if (trap.kind == x86::CompilerTrapKind::Ud2) find_trap_message(found.registers.rip, found.detail);
  source.evidence.hardening_message = found.detail[0] != '\0';
  return x86::recover_check(source, found.registers, cache(), found.event, found.recovery);
}

void recover_called_check(calls::CallEvent& call) noexcept {
  if (!calls::compares_index(call)) return;
  x86::RecoverySource source = source_for(call.at_call);
  source.mode = sizeof(void*) == 8 ? x86::CodeMode::Bits64 : x86::CodeMode::Bits32;
  static_cast<void>(x86::recover_called_check(source, call.at_call, cache(), call.event));
}

void forget_check_traps(x86::CodeRange range) noexcept {
  x86::forget_code(cache(), range);
  forget_trap_messages(range);
  remembered(range.begin).store(0, MemoryOrder::Relaxed);
}

}  // namespace kebound::inproc
