// SPDX-License-Identifier: Apache-2.0
//
// A 64-bit program that enters 32-bit code and executes BOUND there.
//
//   compat64 [--handler] [--times N] [--expect N] [--memory]
//
// --memory: for the driver `memory`, which is to count in a variable on this program's 64-bit
// stack. Far call to selector 0x23 with DS 0x2b, stack and data below 4 GiB; the program is linked
// at a fixed low address, because the 32-bit far call keeps only the low half of the return
// address.
#include <sys/mman.h>

#include "guest.h"

// At the BOUND: eax index, edx bounds, esi command, r8 pointer.
int32_t enter32(int32_t index, const struct bounds32* low_bounds, void* low_stack_top,
                void* pointer, int32_t command);
extern const unsigned char bound_in_32bit_code[];
__asm__(
    ".text\n"
    ".globl enter32\n"
    ".type enter32, @function\n"
    "enter32:\n"
    "  push %rbx\n  push %rbp\n  push %r12\n  push %r13\n  push %r14\n  push %r15\n"
    "  mov %rsp, enter32_stack(%rip)\n"
    "  mov %ds, %ebx\n"
    "  mov $0x2b, %eax\n"
    "  mov %eax, %ds\n"
    "  mov %rdx, %rsp\n"
    "  mov %rsi, %rdx\n"
    "  mov %r8d, %esi\n"
    "  mov %rcx, %r8\n"
    // Registers beyond the 32-bit ones must survive the exception and its repair.
    "  movabs $0x1122334455667788, %r12\n"
    "  mov %r12, %r15\n"
    "  lcall *enter32_target(%rip)\n"
    "  mov enter32_stack(%rip), %rsp\n"
    "  mov %ebx, %ds\n"
    "  cmp %r12, %r15\n"
    "  jne 1f\n"
    "  movabs $0x1122334455667788, %rcx\n"
    "  cmp %rcx, %r12\n"
    "  je 2f\n"
    "1: ud2\n"
    "2: pop %r15\n  pop %r14\n  pop %r13\n  pop %r12\n  pop %rbp\n  pop %rbx\n"
    "  ret\n"
    ".size enter32, . - enter32\n"
    ".code32\n"
    "enter32_code:\n"
    "  mov %edi, %eax\n"
    ".globl bound_in_32bit_code\n"
    "bound_in_32bit_code:\n"
    "  boundl %eax, (%edx)\n"
    "  lret\n"
    ".code64\n"
    ".data\n"
    "enter32_target: .long enter32_code\n  .word 0x23\n"
    ".balign 8\n"
    "enter32_stack: .quad 0\n"
    ".text\n");

static volatile sig_atomic_t handler_calls;

static void on_segv(int number, siginfo_t* info, void* opaque) {
  greg_t* const registers = ((ucontext_t*)opaque)->uc_mcontext.gregs;
  if (registers[REG_RIP] != (greg_t)bound_in_32bit_code) _exit(1);
  if (handler_calls++ == 0) {
    printf("handler: signal %d code %d trap %d selector %#x index %d\n", number, info->si_code,
           (int)registers[REG_TRAPNO], (unsigned)(registers[REG_CSGSFS] & 0xffff),
           (int)registers[REG_RAX]);
  }
  registers[REG_RIP] += 2;
}

int main(int argc, char** argv) {
  long times = 1;
  int expecting = 0;
  int memory = 0;
  uint64_t counter = 41;
  int32_t expected = 0;
  for (int i = 1; i < argc; ++i) {
    if (strcmp(argv[i], "--handler") == 0) {
      // The handler runs on a stack of its own: the low one is small.
      static char alternate[65536];
      const stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
      CHECK(sigaltstack(&stack, NULL) == 0);
      install_handler(SIGSEGV, on_segv, SA_ONSTACK);
    } else if (i + 1 < argc && strcmp(argv[i], "--times") == 0) {
      times = parse_number(argv[++i]);
    } else if (i + 1 < argc && strcmp(argv[i], "--expect") == 0) {
      expecting = 1;
      expected = (int32_t)parse_number(argv[++i]);
    } else if (strcmp(argv[i], "--memory") == 0) {
      memory = 1;
    } else {
      return 2;
    }
  }
  const size_t size = 65536;
  char* const low =
      mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  CHECK(low != MAP_FAILED);
  struct bounds32* const bounds = (struct bounds32*)low;
  bounds->lower = -4;
  bounds->upper = 9;
  for (long i = 0; i < times; ++i) {
    const int32_t resumed = enter32(4711, bounds, low + size, &counter, memory ? 8 : 0);
    if (i == 0) printf("resumed: index %d\n", (int)resumed);
    if (expecting && resumed != expected)
      fail("resumed with %d, expected %d", (int)resumed, (int)expected);
  }
  if (memory) CHECK((uintptr_t)&counter >> 32 != 0 && counter == 41 + (uint64_t)times);
  if (handler_calls != 0) printf("handler: called %d times\n", (int)handler_calls);
  succeed();
}
