// SPDX-License-Identifier: Apache-2.0
//
// Into user code with all registers, segments and flags as wanted, and back by a signal: behind
// each instruction are int3s.
//
// By a far jump and no far return: QEMU 7.2 pops as the kernel would when user code returns far,
// and the kernel it runs takes the page fault of that (SMAP) for its own. For the same reason
// site.c has no byte that is a far call or return.
#include <cpuid.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "hostile.h"

extern const char escape[];

#ifdef __x86_64__
__asm__(
    ".text\n.globl enter\n.type enter, @function\nenter:\n"
    "  pushq %rbp\n  pushq %rbx\n  pushq %r12\n  pushq %r13\n  pushq %r14\n  pushq %r15\n  pushq "
    "%rdi\n"
    "  movq %rsp, (%rdi)\n  movq $1, 8(%rdi)\n  movq %rdi, %rbx\n"
    "  movq 8*21(%rbx), %rax\n  movl %eax, %ds\n"
    "  movq 8*22(%rbx), %rax\n  movl %eax, %es\n"
    "  movq 8*23(%rbx), %rax\n  movl %eax, %fs\n"
    "  movq 8*24(%rbx), %rax\n  movl %eax, %gs\n"
    "  movl $158, %eax\n  movl $0x1002, %edi\n  movq 8*25(%rbx), %rsi\n  testq %rsi, %rsi\n  jz "
    "1f\n  syscall\n1:\n"
    "  movl $158, %eax\n  movl $0x1001, %edi\n  movq 8*26(%rbx), %rsi\n  testq %rsi, %rsi\n  jz "
    "2f\n  syscall\n2:\n"
    "  movq 8*20(%rbx), %rax\n  shlq $32, %rax\n  movl 8*19(%rbx), %ecx\n  orq %rcx, %rax\n"
    "  pushq %rax\n  pushq 8*18(%rbx)\n"
    "  movq 8*2(%rbx), %rax\n  movq 8*3(%rbx), %rcx\n  movq 8*4(%rbx), %rdx\n  movq 8*7(%rbx), "
    "%rbp\n"
    "  movq 8*8(%rbx), %rsi\n  movq 8*9(%rbx), %rdi\n  movq 8*10(%rbx), %r8\n  movq 8*11(%rbx), "
    "%r9\n"
    "  movq 8*12(%rbx), %r10\n  movq 8*13(%rbx), %r11\n  movq 8*14(%rbx), %r12\n  movq 8*15(%rbx), "
    "%r13\n"
    "  movq 8*16(%rbx), %r14\n  movq 8*17(%rbx), %r15\n  movq 8*5(%rbx), %rbx\n"
    "  popfq\n  ljmpl *(%rsp)\n"
    ".globl escape\nescape:\n"
    "  popq %rdi\n  movq $0, 8(%rdi)\n"
    "  popq %r15\n  popq %r14\n  popq %r13\n  popq %r12\n  popq %rbx\n  popq %rbp\n  ret\n"
    ".size enter, . - enter\n");

static void set_base(long what, uintptr_t value) {
  long status = SYS_arch_prctl;
  __asm__ volatile("syscall" : "+a"(status) : "D"(what), "S"(value) : "rcx", "r11", "memory");
}

// What may be needed by the compiler's and the library's code.
static void own_segments(struct worker* worker) {
  __asm__ volatile("pushfq\n andq $~0x44000, (%%rsp)\n popfq" : : : "memory", "cc");  // NT, AC
  set_base(0x1002, worker->tls);
  __asm__ volatile("movl %0, %%ds\n movl %0, %%es" : : "r"(0));
}

static void escape_by(struct worker* worker, ucontext_t* context) {
  greg_t* const r = context->uc_mcontext.gregs;
  r[REG_RIP] = (greg_t)escape;
  r[REG_RSP] = (greg_t)worker->sp;
  r[REG_EFL] = 0x202;
  r[REG_CSGSFS] = (greg_t)(0x33ul | 0x2bul << 48);
}

static void forge_by(struct worker* worker, ucontext_t* context) {
  static const int kPlaces[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                  REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                  REG_R12, REG_R13, REG_R14, REG_R15};
  greg_t* const r = context->uc_mcontext.gregs;
  forge(worker);
  for (int i = 0; i < 16; ++i) r[kPlaces[i]] = (greg_t)worker->gpr[i];
  r[REG_RIP] = (greg_t)worker->ip;
  r[REG_EFL] = (greg_t)worker->flags;
  r[REG_CSGSFS] = (greg_t)(worker->cs | worker->gs << 16 | worker->fs << 32 | worker->ds << 48);
  if (below(worker, 8) == 0) context->uc_flags = next_random(worker) & 7;
  if (below(worker, 8) == 0)
    context->uc_mcontext.fpregs = (void*)(next_random(worker) >> below(worker, 64));
}
#define INSTRUCTION REG_RIP
#else
__asm__(
    ".text\n.globl enter\n.type enter, @function\nenter:\n"
    "  pushl %ebp\n  pushl %ebx\n  pushl %esi\n  pushl %edi\n  movl 20(%esp), %eax\n  pushl %eax\n"
    "  movl %esp, (%eax)\n  movl $1, 4(%eax)\n"
    "  pushl 4*20(%eax)\n  pushl 4*19(%eax)\n  pushl 4*18(%eax)\n"
    "  pushl 4*2(%eax)\n  pushl 4*3(%eax)\n  pushl 4*4(%eax)\n  pushl 4*5(%eax)\n"
    "  pushl 4*6(%eax)\n  pushl 4*7(%eax)\n  pushl 4*8(%eax)\n  pushl 4*9(%eax)\n"
    "  movl 4*21(%eax), %ebx\n  movl 4*22(%eax), %ecx\n  movl 4*23(%eax), %edx\n  movl 4*24(%eax), "
    "%esi\n"
    "  movl %esi, %gs\n  movl %edx, %fs\n  movl %ecx, %es\n  movl %ebx, %ds\n"
    "  popal\n  popfl\n  ljmpl *(%esp)\n"
    ".globl escape\nescape:\n"
    "  popl %eax\n  movl $0, 4(%eax)\n"
    "  popl %edi\n  popl %esi\n  popl %ebx\n  popl %ebp\n  ret\n"
    ".size enter, . - enter\n");

static void own_segments(struct worker* worker) {
  __asm__ volatile("pushfl\n andl $~0x44000, (%%esp)\n popfl\n movl %0, %%gs"
                   :
                   : "r"(worker->tls)
                   : "memory", "cc");
}

static void escape_by(struct worker* worker, ucontext_t* context) {
  greg_t* const r = context->uc_mcontext.gregs;
  r[REG_EIP] = (greg_t)escape;
  r[REG_ESP] = r[REG_UESP] = (greg_t)worker->sp;
  r[REG_EFL] = 0x202;
  r[REG_CS] = 0x23;
  r[REG_SS] = r[REG_DS] = r[REG_ES] = 0x2b;
  r[REG_FS] = 0;
  r[REG_GS] = (greg_t)worker->tls;
}

static void forge_by(struct worker* worker, ucontext_t* context) {
  static const int kPlaces[8] = {REG_EAX, REG_ECX, REG_EDX, REG_EBX,
                                 REG_ESP, REG_EBP, REG_ESI, REG_EDI};
  greg_t* const r = context->uc_mcontext.gregs;
  forge(worker);
  for (int i = 0; i < 8; ++i) r[kPlaces[i]] = (greg_t)worker->gpr[i];
  r[REG_EIP] = (greg_t)worker->ip;
  r[REG_EFL] = (greg_t)worker->flags;
  r[REG_CS] = (greg_t)worker->cs;
  r[REG_SS] = r[REG_DS] = (greg_t)worker->ds;
  r[REG_ES] = (greg_t)worker->es;
  r[REG_FS] = (greg_t)worker->fs;
  r[REG_GS] = (greg_t)worker->gs;
  if (below(worker, 8) == 0) context->uc_mcontext.fpregs = (void*)(uintptr_t)next_random(worker);
}
#define INSTRUCTION REG_EIP
#endif

static void on_signal(int number, siginfo_t* info, void* opaque) {
  ucontext_t* const context = opaque;
  struct worker* const worker = (struct worker*)((uintptr_t)&context & ~(uintptr_t)(kRegion - 1));
  if (number == SIGUSR1) return;  // of another thread, at any moment
  if (worker->inside == 0) {
    // Its own code may not fail: a fuzzer that is broken must not look like one that found nothing.
    if (info->si_code <= 0) return;
    own_segments(worker);
    if (number == SIGTRAP) {  // a step that its debugger has handed on
      context->uc_mcontext.gregs[REG_EFL] &= ~0x100;
      return;
    }
    dprintf(1,
            "@check FAILED the fuzzer itself: signal %d code %d of vector %d at %#lx, address %p\n",
            number, info->si_code, (int)context->uc_mcontext.gregs[REG_TRAPNO],
            (unsigned long)context->uc_mcontext.gregs[INSTRUCTION], info->si_addr);
    _exit(98);
  }
  own_segments(worker);
  const long vector = (long)context->uc_mcontext.gregs[REG_TRAPNO];
  if (number == SIGILL) count(k_illegal);
  if (number == SIGSEGV || number == SIGBUS) count(vector == 5 ? k_bound : k_faulted);
  if (number == SIGTRAP) count(vector == 1 ? k_stepped : k_passed);
  if (number == SIGTRAP && vector == 1 && worker->steps > 0) {
    worker->steps--;
    return;
  }
  if (worker->forgeries > 0) {
    worker->forgeries--;
    count(k_sigreturn);
    forge_by(worker, context);
    return;
  }
  escape_by(worker, context);
}

void take_signals(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  const int numbers[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGUSR1};
  for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; ++i)
    sigaction(numbers[i], &action, NULL);
}

// Where BNDCFGU is in XSAVE's area; 0: the processor has no MPX.
static unsigned mpx_state(void) {
  unsigned a, b, c, d;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & 1u << 14)) return 0;
  return __get_cpuid_count(0xd, 4, &a, &b, &c, &d) && a != 0 ? b : 0;
}

// Nothing but XRSTOR can switch MPX on in user mode. The contexts that the handler returns to keep
// it on.
static void enable_mpx(void) {
  static _Thread_local uint8_t area[8192] __attribute__((aligned(64)));
  const unsigned at = mpx_state();
  if (at == 0) return;
  memset(area, 0, sizeof area);
  area[512] = 0x18;
  area[at] = 1;  // BNDCFGU: enabled
  __asm__ volatile("xrstor %0" : : "m"(area), "a"(0x18), "d"(0) : "memory");
}

void ready_worker(struct worker* worker) {
  const stack_t stack = {.ss_sp = (uint8_t*)worker + kPage, .ss_size = kRegion - kPage};
  sigaltstack(&stack, NULL);
#ifdef __x86_64__
  __asm__("movq %%fs:0, %0" : "=r"(worker->tls));
#else
  __asm__("movl %%gs, %0" : "=r"(worker->tls));
#endif
  enable_mpx();
}
