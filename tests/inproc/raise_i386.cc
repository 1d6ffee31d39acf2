// SPDX-License-Identifier: Apache-2.0
#include "tests/inproc/raise.h"

extern "C" const char kebound_test_bound[];
extern "C" const char kebound_test_ud1[];
extern "C" int32_t kebound_test_raise(int32_t index, uint32_t edx);
extern "C" void kebound_test_raise_ud1();
__asm__(R"(
  .text
kebound_test_raise:
  mov 4(%esp), %eax
  mov 8(%esp), %edx
kebound_test_bound:
  boundl %eax, (%edx)
  ret
kebound_test_raise_ud1:
kebound_test_ud1:
  .byte 0x0f, 0xb9, 0x40, 0x12
  .skip 12, 0x90
  ret
)");

namespace kebound::testing {

int32_t raise_bound(int32_t index, Bounds bounds, const uint32_t* edx) {
  const volatile Bounds in_memory{bounds.lower, bounds.upper};
  return kebound_test_raise(index, edx != nullptr ? *edx : reinterpret_cast<uintptr_t>(&in_memory));
}
uintptr_t bound_address() { return reinterpret_cast<uintptr_t>(kebound_test_bound); }
void raise_array_trap() { kebound_test_raise_ud1(); }
uintptr_t array_trap_address() { return reinterpret_cast<uintptr_t>(kebound_test_ud1); }

uintptr_t ip_of(const void* context) {
  return static_cast<uintptr_t>(
      static_cast<const ucontext_t*>(context)->uc_mcontext.gregs[REG_EIP]);
}
void set_ip(void* context, uintptr_t ip) {
  static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_EIP] = static_cast<greg_t>(ip);
}
uint32_t eax_of(const void* context) {
  return static_cast<uint32_t>(static_cast<const ucontext_t*>(context)->uc_mcontext.gregs[REG_EAX]);
}
void set_ax(void* context, uintptr_t value) {
  static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_EAX] = static_cast<greg_t>(value);
}

}  // namespace kebound::testing
