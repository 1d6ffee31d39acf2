// SPDX-License-Identifier: Apache-2.0
#include "tests/guests/trap_hw/machine_common.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

namespace kebound::trap_hw {
namespace {

enum class Phase { Idle, Starting, Running };

volatile Phase phase = Phase::Idle;
x86::Registers trial_start;
Outcome trial_outcome;
mcontext_t own_frame;

alignas(64) char signal_stack[64 * 1024];

size_t read_own(void*, uint64_t address, void* buffer, size_t size) noexcept {
  constexpr uint64_t kPage = 4096;
  size_t done = 0;
  while (done < size) {
    const uint64_t at = address + done;
    const uint64_t in_page = kPage - at % kPage;
    const size_t part = size - done < in_page ? size - done : static_cast<size_t>(in_page);
    if (at > UINTPTR_MAX) break;
    iovec local = {static_cast<char*>(buffer) + done, part};
    iovec remote = {reinterpret_cast<void*>(static_cast<uintptr_t>(at)), part};
    if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) != static_cast<ssize_t>(part)) break;
    done += part;
  }
  return done;
}

}  // namespace

void on_signal(int signal, ucontext_t& context) noexcept {
  switch (phase) {
    case Phase::Starting:
      memcpy(&own_frame, &context.uc_mcontext, sizeof own_frame);
      load_registers(trial_start, context.uc_mcontext);
      phase = Phase::Running;
      return;
    case Phase::Running:
      trial_outcome.signal = signal;
      trial_outcome.vector = vector_of(context.uc_mcontext);
      store_registers(context.uc_mcontext, trial_outcome.registers);
      memcpy(&context.uc_mcontext, &own_frame, sizeof own_frame);
      phase = Phase::Idle;
      return;
    case Phase::Idle:
      break;
  }
  static const char kMessage[] = "trap_hw: a signal outside a trial\n";
  (void)!write(2, kMessage, sizeof kMessage - 1);
  _exit(3);
}

bool install_handler(void (*handler)(int, siginfo_t*, void*)) noexcept {
  stack_t stack = {};
  stack.ss_sp = signal_stack;
  stack.ss_size = sizeof signal_stack;
  struct sigaction action = {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigfillset(&action.sa_mask);
  bool installed = sigaltstack(&stack, nullptr) == 0;
  static constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE};
  for (const int signal : kSignals) {
    // In the mask, the fault of a broken handler kills the process instead of recursing.
    installed = installed && sigaction(signal, &action, nullptr) == 0;
  }
  if (!installed) perror("trap_hw: sigaction");
  return installed;
}

Outcome run_trial(const x86::Registers& start) noexcept {
  trial_start = start;
  phase = Phase::Starting;
  asm volatile("int3" ::: "memory");
  return trial_outcome;
}

MemoryReader own_memory() noexcept { return {nullptr, read_own}; }

uint8_t* map_at(uint64_t address, size_t size, int protection) noexcept {
  if (address > UINTPTR_MAX) {
    errno = ENOMEM;
    return nullptr;
  }
  void* const wanted = reinterpret_cast<void*>(static_cast<uintptr_t>(address));
  void* const got =
      mmap(wanted, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (got == MAP_FAILED) return nullptr;
  if (got != wanted) {
    munmap(got, size);
    errno = EEXIST;
    return nullptr;
  }
  return static_cast<uint8_t*>(got);
}

}  // namespace kebound::trap_hw
