// SPDX-License-Identifier: Apache-2.0
#include "trap/calls/call_event.h"

#include "trap/calls/assertion.h"
#include "trap/calls/fortified.h"
#include "trap/calls/text.h"
#include "trap/calls/ubsan.h"

namespace kebound::calls {
namespace {

BoundSource source_of(Family family) noexcept {
  switch (family) {
    case Family::Ubsan:
      return BoundSource::UbsanHandler;
    case Family::Libstdcxx:
      return BoundSource::LibstdcxxAssertion;
    case Family::Libcxx:
      return BoundSource::LibcxxAbort;
    case Family::Fortify:
      return BoundSource::Fortify;
    case Family::StackProtector:
      return BoundSource::StackProtector;
  }
  return BoundSource::UbsanHandler;
}

bool read_shape(const CallSource& source, const CallFrame& frame, CallEvent& out) noexcept {
  switch (source.shape) {
    case Shape::OutOfBounds:
      return read_out_of_bounds(frame, out);
    case Shape::PointerOverflow:
      return read_pointer_overflow(frame, out);
    case Shape::TypeMismatch:
      return read_type_mismatch(frame, out);
    case Shape::Silent:
      return true;
    case Shape::GlibcxxAssert:
      return read_glibcxx_assertion(frame, out);
    case Shape::VerboseAbort:
      return read_verbose_abort(frame, out);
    case Shape::Count:
    case Shape::String:
    case Shape::Concatenation:
    case Shape::Descriptor:
    case Shape::Printed:
      return read_fortified(source, frame, out);
  }
  return false;
}

// i386 code that is position independent calls __stack_chk_fail_local, a function of its own
// module, which calls the C library's: push %ebx; call thunk; add $n, %ebx; sub $8, %esp; call. The
// check is where that was called.
void leave_local_stub(CallFrame& frame) noexcept {
  constexpr size_t kSize = 20;
  uint8_t code[kSize];
  uint64_t back = 0;
  if (frame.is_64bit || !frame.read_word(frame.entry.gpr[x86::Rsp], back) ||
      !frame.memory.read(back - kSize, code, sizeof code)) {
    return;
  }
  if (code[0] != 0x53 || code[1] != 0xe8 || code[6] != 0x81 || code[7] != 0xc3 ||
      code[12] != 0x83 || code[13] != 0xec || code[14] != 8 || code[15] != 0xe8) {
    return;
  }
  uint64_t& top = frame.entry.gpr[x86::Rsp];
  if (!frame.read_word(top + 12, frame.entry.gpr[x86::Rbx])) return;
  top += 16;
  frame.entry.rip = back - kSize;
}

}  // namespace

bool compares_index(const CallEvent& call) noexcept {
  if (call.event.source != BoundSource::LibstdcxxAssertion || call.event.doubt != Doubt::NotSaid) {
    return false;
  }
  // "__n < this->size()", "__pos <= size()": an argument, and it is compared with nothing else.
  const char* condition = call.detail;  // behind file and line
  for (const char* at = call.detail; *at != '\0'; ++at) {
    if (at[0] == ':' && at[1] == ' ') condition = at + 2;
  }
  unsigned compares = 0;
  bool others = false;
  for (const char* at = condition; *at != '\0'; ++at) {
    if (at[0] == ' ' && at[1] == '<' && (at[2] == ' ' || (at[2] == '=' && at[3] == ' ')))
      ++compares;
    others |= *at == '&' || *at == '|' || *at == '+' || *at == '!';
  }
  return compares == 1 && !others;
}

bool read_call_event(const CallSource& source, const CallFrame& at_entry, CallEvent& out) noexcept {
  CallFrame frame = at_entry;
  if (source.family == Family::StackProtector) leave_local_stub(frame);
  const CallInstruction call = find_call(frame);
  out.at_call = registers_at_call(frame, call);
  out.event = BoundEvent{};
  out.recovery = x86::Recovery{};
  out.detail[0] = '\0';
  BoundEvent& event = out.event;
  event.source = source_of(source.family);
  event.check = source.check;
  event.ip = call.address;
  event.trap_ip = call.address;
  event.instruction_length = call.length;
  // What a handler that returns goes back to is all that can be resumed there: the index is not to
  // be had from a copy of it in an argument.
  event.resumable = source.returns;
  out.recovery.resume_ip = source.returns ? call.return_address : call.address;
  if (!read_shape(source, frame, out)) return false;
  if (event.doubt != Doubt::None) return true;
  if (event.confidence == Confidence::Unknown) {
    event.doubt = Doubt::NotSaid;
  } else if (!event.resumable) {
    event.doubt = Doubt::CallNotResumable;
  }
  return true;
}

}  // namespace kebound::calls
