// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <sys/mman.h>

#include "tests/inproc/raise.h"

extern "C" const char kebound_test_bound[];
extern "C" const char kebound_test_ud1[];
// r15 keeps the stack pointer: 32-bit code cannot touch it.
extern "C" int32_t kebound_test_enter32(int32_t index, uint64_t edx, void* low_stack_top);
extern "C" void kebound_test_raise_ud1();
__asm__(R"(
  .text
kebound_test_enter32:
  push %rbx
  push %rbp
  push %r15
  mov %rsp, %r15
  mov %ds, %ebx
  mov $0x2b, %eax
  mov %eax, %ds
  mov %rdx, %rsp
  mov %rsi, %rdx
  lcall *kebound_test_target(%rip)
  mov %r15, %rsp
  mov %ebx, %ds
  pop %r15
  pop %rbp
  pop %rbx
  ret
  .code32
kebound_test_code32:
  mov %edi, %eax
kebound_test_bound:
  boundl %eax, (%edx)
  lret
  .code64
kebound_test_raise_ud1:
kebound_test_ud1:
  .byte 0x67, 0x0f, 0xb9, 0x40, 0x12
  .skip 11, 0x90
  ret
  .data
kebound_test_target:
  .long kebound_test_code32
  .word 0x23
  .text
)");

namespace kebound::testing {
namespace {

constexpr size_t kStackSize = 64 * 1024;

// A stack below 4 GiB for each thread; the bounds are at its beginning.
class LowStack {
 public:
  LowStack()
      : memory_(static_cast<char*>(mmap(nullptr, kStackSize, PROT_READ | PROT_WRITE,
                                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0))) {
    if (memory_ == MAP_FAILED) abort();
  }
  LowStack(const LowStack&) = delete;
  LowStack& operator=(const LowStack&) = delete;
  ~LowStack() { munmap(memory_, kStackSize); }

  volatile Bounds* bounds() { return reinterpret_cast<volatile Bounds*>(memory_); }
  void* top() { return memory_ + kStackSize; }

 private:
  char* const memory_;
};

}  // namespace

int32_t raise_bound(int32_t index, Bounds bounds, const uint32_t* edx) {
  thread_local LowStack stack;
  stack.bounds()->lower = bounds.lower;
  stack.bounds()->upper = bounds.upper;
  return kebound_test_enter32(
      index, edx != nullptr ? *edx : reinterpret_cast<uintptr_t>(stack.bounds()), stack.top());
}
uintptr_t bound_address() { return reinterpret_cast<uintptr_t>(kebound_test_bound); }
void raise_array_trap() { kebound_test_raise_ud1(); }
uintptr_t array_trap_address() { return reinterpret_cast<uintptr_t>(kebound_test_ud1); }

uintptr_t ip_of(const void* context) {
  return static_cast<uintptr_t>(
      static_cast<const ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP]);
}
void set_ip(void* context, uintptr_t ip) {
  static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP] = static_cast<greg_t>(ip);
}
uint32_t eax_of(const void* context) {
  return static_cast<uint32_t>(static_cast<const ucontext_t*>(context)->uc_mcontext.gregs[REG_RAX]);
}
void set_ax(void* context, uintptr_t value) {
  static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RAX] = static_cast<greg_t>(value);
}

}  // namespace kebound::testing
