// SPDX-License-Identifier: Apache-2.0
//
// CONTRACT, what takes 64 bits to hold. Not compiled for 32-bit programs.
#include "tests/conformance/toolbox.h"

namespace kebound::conformance {
namespace {

bool current_thread_is_gs_188;

BOUND_CALLBACK_STATUS NTAPI look_at_gs() {
  uint64_t thread = 0;
  __asm__ volatile("movq %%gs:0x188, %0" : "=r"(thread));
  current_thread_is_gs_188 = reinterpret_cast<uint64_t>(KeGetCurrentThread()) == thread;
  set_index(9);
  return BoundExceptionHandled;
}

X64_CASE("Frame-behind-gs-188", "Types frame", "The current thread is at gs:[0x188]",
         kPlain.because("gs is the C library's in 32-bit processes")) {
  PVOID const handle = KeRegisterBoundCallback(look_at_gs);
  REQUIRE(handle != nullptr);
  EXPECT(host.raise(0).end == Raised::End::Behind);
  EXPECT(current_thread_is_gs_188);
  EXPECT(KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
}

X64_CASE("Deregister-2-another-instance", "Deregister 2",
         "Another instance's handle is an invalid handle",
         kPlain.because("a handle of 32 bits has no room for its instance")) {
  PVOID const handle = KeRegisterBoundCallback(clamp_to_upper);
  REQUIRE(handle != nullptr);
  for (uint64_t other = 1; other < 0x10000; other <<= 1) {
    // The instance stands in the upper sixteen bits.
    EXPECT(KeDeregisterBoundCallback(handle_of(value_of(handle) ^ other << 48)) ==
           STATUS_INVALID_HANDLE);
  }
  EXPECT(KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
}

}  // namespace
}  // namespace kebound::conformance
