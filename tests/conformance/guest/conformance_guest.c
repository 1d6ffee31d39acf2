// SPDX-License-Identifier: Apache-2.0
//
// conformance_guest FILE: the program under the conformance suite on the supervisor. A controller
// keeps a worker process with four threads alive; each thread runs a real BOUND with given
// registers when it is told to.
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "shared.h"

static volatile struct conformance_shared* shared;

// Per thread, reached through gs because after a BOUND every other register belongs to the test.
__thread struct conformance_registers run_out;
__thread uint32_t run_landing;
__thread uint32_t run_trap;
__thread uint32_t run_saved_esp;
__thread uint32_t run_eax;
__thread uint32_t run_ds;

void run_bound(const struct conformance_registers* in);
extern const char run_bound_site[];
extern const char run_elsewhere[];
extern const char run_after_signal[];

#define SAVE_AND_LEAVE(landing)             \
  "  movl %eax, %gs:run_out@ntpoff\n"       \
  "  movl %ecx, %gs:run_out@ntpoff+4\n"     \
  "  movl %edx, %gs:run_out@ntpoff+8\n"     \
  "  movl %ebx, %gs:run_out@ntpoff+12\n"    \
  "  movl %esp, %gs:run_out@ntpoff+16\n"    \
  "  movl %ebp, %gs:run_out@ntpoff+20\n"    \
  "  movl %esi, %gs:run_out@ntpoff+24\n"    \
  "  movl %edi, %gs:run_out@ntpoff+28\n"    \
  "  movl %gs:run_saved_esp@ntpoff, %esp\n" \
  "  pushfl\n"                              \
  "  popl %gs:run_out@ntpoff+32\n"          \
  "  movl $" landing                        \
  ", %gs:run_landing@ntpoff\n"              \
  "  jmp run_after_signal\n"

__asm__(
    ".text\n"
    ".globl run_bound, run_bound_site, run_elsewhere, run_after_signal\n"
    ".type run_bound, @function\n"
    "run_bound:\n"
    "  pushl %ebp\n  pushl %ebx\n  pushl %esi\n  pushl %edi\n"
    "  movl 20(%esp), %eax\n"
    "  movl %esp, %gs:run_saved_esp@ntpoff\n"
    "  pushl 32(%eax)\n"
    "  popfl\n"
    "  movl 4(%eax), %ecx\n"
    "  movl 8(%eax), %edx\n"
    "  movl 12(%eax), %ebx\n"
    "  movl 20(%eax), %ebp\n"
    "  movl 24(%eax), %esi\n"
    "  movl 28(%eax), %edi\n"
    "  movl %gs:run_eax@ntpoff, %eax\n"
    "  movw %gs:run_ds@ntpoff, %ds\n"
    "run_bound_site:\n"
    "  boundl %eax, (%edx)\n" SAVE_AND_LEAVE("0")
    ".balign 64\n"
    "run_elsewhere:\n" SAVE_AND_LEAVE("1")
    "run_after_signal:\n"
    "  movl %gs:run_saved_esp@ntpoff, %esp\n"
    "  pushl $0x2b\n"
    "  popl %ds\n"
    "  cld\n"
    "  popl %edi\n  popl %esi\n  popl %ebx\n  popl %ebp\n"
    "  ret\n"
    ".size run_bound, . - run_bound\n");

static void on_segv(int number, siginfo_t* info, void* opaque) {
  (void)number;
  (void)info;
  greg_t* const registers = ((ucontext_t*)opaque)->uc_mcontext.gregs;
  if (registers[REG_EIP] != (greg_t)(uintptr_t)run_bound_site) _exit(3);
  run_out.eax = (uint32_t)registers[REG_EAX];
  run_out.ecx = (uint32_t)registers[REG_ECX];
  run_out.edx = (uint32_t)registers[REG_EDX];
  run_out.ebx = (uint32_t)registers[REG_EBX];
  run_out.esp = (uint32_t)registers[REG_ESP];
  run_out.ebp = (uint32_t)registers[REG_EBP];
  run_out.esi = (uint32_t)registers[REG_ESI];
  run_out.edi = (uint32_t)registers[REG_EDI];
  run_out.eflags = (uint32_t)registers[REG_EFL];
  run_trap = (uint32_t)registers[REG_TRAPNO];
  run_landing = kLandingHandler;
  registers[REG_DS] = 0x2b;
  registers[REG_EIP] = (greg_t)(uintptr_t)run_after_signal;
}

static void set_own_handler(int wanted) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  if (wanted) {
    action.sa_sigaction = on_segv;
    action.sa_flags = SA_SIGINFO;
  } else {
    action.sa_handler = SIG_DFL;
  }
  if (sigaction(SIGSEGV, &action, NULL) != 0) _exit(4);
}

static uint32_t waiting_threads;

static void* take_orders(void* opaque) {
  volatile struct conformance_slot* const slot = opaque;
  slot->tid = (uint32_t)syscall(SYS_gettid);
  uint32_t served = __atomic_load_n(&slot->request,
                                    __ATOMIC_ACQUIRE);  // an order to a dead worker stays unserved
  __atomic_add_fetch(&waiting_threads, 1, __ATOMIC_RELEASE);
  for (;;) {
    while (__atomic_load_n(&slot->request, __ATOMIC_ACQUIRE) == served) usleep(50);
    served = __atomic_load_n(&slot->request, __ATOMIC_ACQUIRE);
    set_own_handler((int)slot->own_handler);
    struct conformance_registers in = *(struct conformance_registers*)(uintptr_t)&slot->in;
    run_eax = in.eax;
    run_ds = slot->null_ds ? 0 : 0x2b;
    run_landing = UINT32_MAX;
    run_trap = 0;
    run_bound(&in);
    *(struct conformance_registers*)(uintptr_t)&slot->out = run_out;
    slot->landing = run_landing;
    slot->trap = run_trap;
    __atomic_store_n(&slot->done, served, __ATOMIC_RELEASE);
  }
  return NULL;
}

static void work(uint32_t generation) {
  for (int i = 0; i < kConformanceThreads; ++i) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, take_orders, (void*)(uintptr_t)&shared->slots[i]) != 0)
      _exit(5);
  }
  while (__atomic_load_n(&waiting_threads, __ATOMIC_ACQUIRE) != kConformanceThreads) usleep(50);
  shared->worker_pid = getpid();
  __atomic_store_n(&shared->ready, generation, __ATOMIC_RELEASE);
  for (;;) pause();
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const int file = open(argv[1], O_RDWR);
  if (file < 0) return 2;
  void* const wanted = (void*)(uintptr_t)kConformanceAddress;
  if (mmap(wanted, kConformanceSize, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, file,
           0) != wanted)
    return 2;
  shared = wanted;
  void* const nothing = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (nothing == MAP_FAILED) return 2;
  shared->bound_address = (uint32_t)(uintptr_t)run_bound_site;
  shared->elsewhere_address = (uint32_t)(uintptr_t)run_elsewhere;
  shared->unmapped_address = (uint32_t)(uintptr_t)nothing;
  shared->controller_pid = getpid();

  for (uint32_t generation = 1;; ++generation) {
    const pid_t worker = fork();
    if (worker < 0) return 2;
    if (worker == 0) work(generation);
    int status = 0;
    while (waitpid(worker, &status, WNOHANG) == 0) {
      if (__atomic_load_n(&shared->quit, __ATOMIC_ACQUIRE)) {
        kill(worker, SIGKILL);
        waitpid(worker, &status, 0);
        return shared->result != 0 ? 1 : 0;
      }
      usleep(200);
    }
    shared->last_status = status;
    __atomic_add_fetch(&shared->deaths, 1, __ATOMIC_RELEASE);
    if (__atomic_load_n(&shared->quit, __ATOMIC_ACQUIRE)) return shared->result != 0 ? 1 : 0;
  }
}
