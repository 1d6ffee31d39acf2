// SPDX-License-Identifier: Apache-2.0
//
// The input is a thread at the first instruction of one of the functions that report failed checks:
// its registers, and pages of memory that they point into. Whatever is there, the event keeps its
// promises.
#include "tests/fuzz/fuzz_target.h"
#include "trap/calls/call_event.h"
#include "trap/x86/fake_memory.h"

using kebound::BoundEvent;
using kebound::Confidence;
using kebound::FakeMemory;
using kebound::fuzz::fail_if;
using kebound::fuzz::Input;
using namespace kebound::calls;

namespace {

constexpr uint64_t kPages[] = {0x10000, 0x11000, 0x20000};

// Addresses that are in the pages more often than not.
uint64_t address(Input& input) {
  const auto choice = input.take<uint8_t>();
  if (choice == 0xff) return input.take<uint64_t>();
  return kPages[choice % 3] + input.take<uint16_t>() % FakeMemory::kPage;
}

std::string broken_promise(const CallEvent& call) {
  const BoundEvent& event = call.event;
  if (memchr(call.detail, 0, sizeof call.detail) == nullptr) return "the detail does not end";
  if (call.recovery.place_count > kebound::x86::kMaxIndexPlaces) return "too many places";
  if (event.confidence == Confidence::Unknown) return {};
  if (event.index >= event.lower && event.index <= event.upper) return "the index is inside";
  if (event.index_width == 0 || event.index_width > 64) return "no width";
  return {};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  size_t count = 0;
  const CallSource* const sources = call_sources(count);
  const CallSource& source = sources[input.take<uint8_t>() % count];
  FakeMemory memory;
  CallFrame frame;
  frame.is_64bit = (input.take<uint8_t>() & 1) != 0;
  frame.memory = memory.reader();
  frame.known = input.take<uint16_t>();
  if (frame.known == 0) frame.known = 0xffff;
  for (uint64_t& gpr : frame.entry.gpr) gpr = address(input);
  if ((input.take<uint8_t>() & 1) != 0) frame.entry.gpr[kebound::x86::Rdx] = input.take<uint16_t>();
  if ((input.take<uint8_t>() & 1) != 0) frame.entry.gpr[kebound::x86::Rcx] = input.take<uint8_t>();
  frame.entry.rip = 0x10100;
  for (const uint64_t page : kPages) {
    memory.page(page);
    memory.write(page, input.take_bytes(FakeMemory::kPage / 8));
  }
  // Words on the stack that are addresses.
  const uint64_t stack = frame.entry.gpr[kebound::x86::Rsp];
  for (uint64_t i = 0; i < 8 && stack % FakeMemory::kPage + 72 < FakeMemory::kPage; ++i) {
    memory.write_value(stack + i * frame.word_size(), address(input));
  }
  CallEvent call;
  if (read_call_event(source, frame, call)) fail_if(broken_promise(call));
  static_cast<void>(exceeds_object(source, frame));
  return 0;
}
