// SPDX-License-Identifier: Apache-2.0
//
// CONTRACT, Types and values; and the frame.
#include <string.h>

#include <type_traits>

#include "tests/conformance/toolbox.h"

namespace kebound::conformance {
namespace {

CASE("Types-status-values", "Types BOUND_CALLBACK_STATUS", "The enumeration has NT's four values",
     kPlain) {
  EXPECT(BoundExceptionContinueSearch == 0);
  EXPECT(BoundExceptionHandled == 1);
  EXPECT(BoundExceptionError == 2);
  EXPECT(BoundExceptionMaximum == 3);
  EXPECT(sizeof(BOUND_CALLBACK_STATUS) == 4);
}

CASE("Types-callback-shape", "Types BOUND_CALLBACK",
     "A callback takes nothing and returns a status", kPlain) {
  EXPECT((std::is_same_v<BOUND_CALLBACK, BOUND_CALLBACK_STATUS(void)>));
}

CASE("Types-callback-pointer", "Types PBOUND_CALLBACK", "PBOUND_CALLBACK points to a callback",
     kPlain) {
  EXPECT((std::is_same_v<PBOUND_CALLBACK, BOUND_CALLBACK*>));
}

CASE("Types-register-prototype", "Types KeRegisterBoundCallback",
     "It takes a routine and returns a PVOID", kPlain) {
  EXPECT((std::is_same_v<decltype(&KeRegisterBoundCallback), PVOID (*)(PBOUND_CALLBACK)>));
}

CASE("Types-deregister-prototype", "Types KeDeregisterBoundCallback",
     "It takes a PVOID and returns an NTSTATUS", kPlain) {
  EXPECT((std::is_same_v<decltype(&KeDeregisterBoundCallback), NTSTATUS (*)(PVOID)>));
  EXPECT(STATUS_SUCCESS == 0);
  EXPECT(static_cast<uint32_t>(STATUS_INVALID_HANDLE) == 0xC0000008u);
}

CASE("Types-array-bounds-exceeded", "Types STATUS_ARRAY_BOUNDS_EXCEEDED", "It is 0xC000008C",
     kPlain) {
  EXPECT(static_cast<uint32_t>(STATUS_ARRAY_BOUNDS_EXCEEDED) == 0xC000008Cu);
}

CASE("Types-fast-fail-code", "Types STATUS_STACK_BUFFER_OVERRUN", "It is 0xC0000409", kPlain) {
  EXPECT(static_cast<uint32_t>(STATUS_STACK_BUFFER_OVERRUN) == 0xC0000409u);
}

// --- the frame ---

KTRAP_FRAME seen;

BOUND_CALLBACK_STATUS NTAPI look_at_the_frame() {
  memcpy(&seen, &frame(), sizeof seen);
  set_index(9);
  return BoundExceptionHandled;
}

template <class T>
T at(uint64_t offset) {
  T value;
  memcpy(&value, reinterpret_cast<const char*>(&seen) + offset, sizeof value);
  return value;
}

CASE("Frame-shows-the-registers", "Types frame",
     "Each register stands at its offset of the current thread's frame", kPlain) {
  PVOID const handle = KeRegisterBoundCallback(look_at_the_frame);
  REQUIRE(handle != nullptr);
  const Exception exception;
  const Raised raised = host.raise(1, exception);
  EXPECT(raised.end == Raised::End::Behind);
  EXPECT(at<uint64_t>(0x30) == 12);
  EXPECT(at<uint64_t>(0x38) == exception.ecx);
  EXPECT(at<uint64_t>(0x40) == host.bounds_address(1));
  EXPECT(at<uint64_t>(0x140) == exception.ebx);
  EXPECT(at<uint64_t>(0x148) == exception.edi);
  EXPECT(at<uint64_t>(0x150) == exception.esi);
  EXPECT(at<uint64_t>(0x158) == exception.ebp);
  EXPECT(at<uint64_t>(0x160) == 0);
  EXPECT(at<uint16_t>(0x170) == 0x23);
  constexpr uint32_t kResumeFlag = 0x10000;  // a fault saves it set, nobody can see it afterwards
  EXPECT((at<uint32_t>(0x178) & ~kResumeFlag) == raised.registers.eflags);
  EXPECT(at<uint64_t>(0x180) == raised.registers.esp);
  EXPECT(at<uint16_t>(0x188) == 0x2b);
  EXPECT(KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
}

CASE("Frame-ip-is-the-failing-instruction", "Types fault",
     "The saved instruction pointer is that of the BOUND", kPlain) {
  PVOID const handle = KeRegisterBoundCallback(look_at_the_frame);
  REQUIRE(handle != nullptr);
  EXPECT(host.raise(0).end == Raised::End::Behind);
  EXPECT(at<uint64_t>(0x168) == host.bound_address());
  EXPECT(KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
}

uint64_t new_ip;
uint32_t new_esp_offset;

BOUND_CALLBACK_STATUS NTAPI edit_everything() {
  KTRAP_FRAME& f = frame();
  f.Rax = 0xa0a0a0a0;
  f.Rcx = 0xa1a1a1a1;
  f.Rdx = 0xa2a2a2a2;
  f.Rbx = 0xa3a3a3a3;
  f.Rbp = 0xa5a5a5a5;
  f.Rsi = 0xa6a6a6a6;
  f.Rdi = 0xa7a7a7a7;
  f.Rsp += new_esp_offset;
  f.EFlags ^= 0x8d5;  // OF SF ZF AF PF CF
  f.Rip = new_ip;
  return BoundExceptionHandled;
}

CASE("Frame-edits-take-effect", "Types frame",
     "All that a callback edited is in the thread's registers after Handled", kPlain) {
  new_ip = host.elsewhere_address();
  new_esp_offset = static_cast<uint32_t>(-64);
  Raised before;
  {
    PVOID const handle = KeRegisterBoundCallback(look_at_the_frame);
    REQUIRE(handle != nullptr);
    before = host.raise(0);
    EXPECT(KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
  }
  PVOID const handle = KeRegisterBoundCallback(edit_everything);
  REQUIRE(handle != nullptr);
  const Raised after = host.raise(0);
  EXPECT(after.end == Raised::End::Elsewhere);
  EXPECT(after.registers.eax == 0xa0a0a0a0);
  EXPECT(after.registers.ecx == 0xa1a1a1a1);
  EXPECT(after.registers.edx == 0xa2a2a2a2);
  EXPECT(after.registers.ebx == 0xa3a3a3a3);
  EXPECT(after.registers.ebp == 0xa5a5a5a5);
  EXPECT(after.registers.esi == 0xa6a6a6a6);
  EXPECT(after.registers.edi == 0xa7a7a7a7);
  EXPECT(after.registers.esp == before.registers.esp - 64);
  EXPECT((after.registers.eflags ^ before.registers.eflags) == 0x8d5);
  EXPECT(KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
}

BOUND_CALLBACK_STATUS NTAPI read_the_bounds() {
  const auto* const bounds = reinterpret_cast<const int32_t*>(static_cast<uintptr_t>(frame().Rdx));
  set_index(bounds[1]);
  return BoundExceptionHandled;
}

CASE("Frame-pointers-can-be-followed", "Types frame",
     "The program's memory can be read through its own pointers", kPlain) {
  PVOID const handle = KeRegisterBoundCallback(read_the_bounds);
  REQUIRE(handle != nullptr);
  Exception exception;
  exception.upper = 7;
  EXPECT(host.raise(0, exception).registers.eax == 7);
  exception.upper = 5;  // and is read again each time
  EXPECT(host.raise(0, exception).registers.eax == 5);
  EXPECT(KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
}

HANDLE seen_process;
HANDLE seen_thread;

BOUND_CALLBACK_STATUS NTAPI look_at_the_ids() {
  seen_process = PsGetCurrentProcessId();
  seen_thread = PsGetCurrentThreadId();
  set_index(9);
  return BoundExceptionHandled;
}

CASE("Frame-thread-is-the-faulting-one", "Dispatch context",
     "The current process and thread are the program's", kPlain) {
  PVOID const handle = KeRegisterBoundCallback(look_at_the_ids);
  REQUIRE(handle != nullptr);
  for (unsigned thread = 0; thread < kThreads; ++thread) {
    EXPECT(host.raise(thread).end == Raised::End::Behind);
    EXPECT(value_of(seen_process) == host.process_id());
    EXPECT(value_of(seen_thread) == host.thread_id(thread));
  }
  EXPECT(KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
}

}  // namespace
}  // namespace kebound::conformance
