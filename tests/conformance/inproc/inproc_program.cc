// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/inproc/inproc_program.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/conformance/allocation_count.h"
#include "tests/conformance/program/run_bound.h"

namespace kebound::conformance {
namespace {

constexpr size_t kStackSize = 256 * 1024;

// For 32-bit code in a 64-bit process.
char* stacks_below_4_gib;
uint32_t waiting_threads;
thread_local int t_number = -1;

void* map_low(size_t size, int protection, int sharing) {
  void* const memory = mmap(nullptr, size, protection, sharing | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

char* stack_top(int number) {
  return stacks_below_4_gib + static_cast<size_t>(number + 1) * kStackSize;
}

conformance_shared* orders;

void* run_thread(void* opaque) {
  t_number = static_cast<int>(reinterpret_cast<intptr_t>(opaque));
  take_orders(&orders->slots[t_number], stack_top(t_number), &waiting_threads);
  return nullptr;
}

}  // namespace

bool InprocProgram::map() {
  orders = static_cast<conformance_shared*>(
      map_low(kConformanceSize, PROT_READ | PROT_WRITE, MAP_SHARED));
  void* const nothing = map_low(4096, PROT_NONE, MAP_PRIVATE);
  stacks_below_4_gib = static_cast<char*>(
      map_low(kThreads * kStackSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE));
  if (orders == nullptr || nothing == nullptr || stacks_below_4_gib == nullptr) return false;
  const auto low = [](uintptr_t address) { return static_cast<uint32_t>(address); };
  orders->address = low(reinterpret_cast<uintptr_t>(orders));
  orders->unmapped_address = low(reinterpret_cast<uintptr_t>(nothing));
  orders->bound_address = low(run_bound_address());
  orders->elsewhere_address = low(run_elsewhere_address());
  orders->controller_pid = getpid();
  use(orders);
  return true;
}

void InprocProgram::start_threads() {
  if (threads_of_ == getpid()) return;
  threads_of_ = getpid();
  shared().worker_pid = threads_of_;
  waiting_threads = 0;
  for (unsigned i = 0; i < kThreads; ++i) {
    pthread_t thread;
    if (pthread_create(&thread, nullptr, run_thread,
                       reinterpret_cast<void*>(static_cast<uintptr_t>(i))) != 0) {
      fail(__FILE__, __LINE__, "a thread of the program can be created");
      _exit(1);
    }
    pthread_detach(thread);
  }
  while (__atomic_load_n(&waiting_threads, __ATOMIC_ACQUIRE) != kThreads) pause_briefly();
}

void InprocProgram::start(unsigned thread, const Exception& exception) {
  if (t_number == static_cast<int>(thread)) {
    // Within a callback of that thread, above what the interrupted code has on its stack.
    prepare(thread, exception);
    take_order(&shared().slots[thread], stack_top(t_number) - kStackSize / 2);
    return;
  }
  start_threads();
  prepare(thread, exception);
  if (expects_death_) {
    leave_copy();
    if (threads_of_ != getpid()) return;  // this is the copy: the order was carried out
  }
  give_order(thread);
}

// Returns at once in the original, and in the copy when the original has died.
void InprocProgram::leave_copy() {
  dismiss_copy();
  const uint32_t deaths = __atomic_load_n(&shared().deaths, __ATOMIC_ACQUIRE);
  const pid_t copy = fork();
  if (copy < 0) return fail(__FILE__, __LINE__, "the process can be copied");
  copy_ = copy;
  if (copy != 0) return;
  for (int i = 0; __atomic_load_n(&shared().deaths, __ATOMIC_ACQUIRE) == deaths; ++i) {
    if (i == 2 * kPatience) _exit(1);
    pause_briefly();
  }
  shared().worker_pid = getpid();
}

void InprocProgram::dismiss_copy() {
  if (copy_ == 0) return;
  kill(copy_, SIGKILL);
  waitpid(copy_, nullptr, 0);
  copy_ = 0;
}

uint64_t InprocProgram::allocations() const { return allocations_of_this_thread(); }

void InprocProgram::finish() {
  dismiss_copy();
  HostedProgram::finish();
}

pid_t InprocProgram::worker() const { return shared().worker_pid; }

void InprocProgram::note_death(pid_t process, int status) {
  if (process != worker()) return;
  shared().last_status = status;
  __atomic_add_fetch(&shared().deaths, 1, __ATOMIC_RELEASE);
}

void InprocProgram::print_messages() const {
  const uint32_t used = __atomic_load_n(&shared().messages_used, __ATOMIC_ACQUIRE);
  constexpr uint32_t kRoom = kConformanceMessages;
  printf("%.*s", static_cast<int>(used < kRoom ? used : kRoom), shared().messages);
}

}  // namespace kebound::conformance
