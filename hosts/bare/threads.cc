// SPDX-License-Identifier: Apache-2.0
#include "hosts/bare/threads.h"

#include <string.h>

#include "core/pal.h"
#include "hosts/bare/kernel.h"
#include "hosts/bare/process.h"
#include "hosts/kernel/services.h"

namespace kebound::bare {

namespace {

extern "C" void thread_begin();

constexpr size_t kStackSize = 64 * 1024;
constexpr int64_t kTickNs = 1'000'000;

// Kept over a restart, since the stack of who asks for one is among them.
[[gnu::section(".kept")]] alignas(64) uint8_t g_stacks[kMaxThreads][kStackSize];
[[gnu::section(".kept")]] alignas(64) uint8_t g_extended_states[kMaxThreads][kExtendedStateSize];

constinit Thread g_threads[kMaxThreads];
constinit KPCR g_processor{};
constinit int64_t g_ticks = 0;
constinit bool g_idle = false;  // the processor waits, on the stack of a thread that does not run

[[nodiscard]] uint32_t index_of(const Thread& thread) noexcept {
  return static_cast<uint32_t>(&thread - g_threads);
}
[[nodiscard]] uint64_t stack_top(const Thread& thread) noexcept {
  return reinterpret_cast<uint64_t>(g_stacks[index_of(thread)]) + kStackSize;
}

[[nodiscard]] Thread* next_ready() noexcept {
  const uint32_t running = index_of(running_thread());
  for (uint32_t i = 1; i <= kMaxThreads; ++i) {
    Thread& thread = g_threads[(running + i) % kMaxThreads];
    if (thread.state == Thread::State::Ready) return &thread;
  }
  return nullptr;
}

// The kernel uses none of these registers itself.
void leave_user_state(Thread& thread) noexcept {
  save_extended_state(g_extended_states[index_of(thread)]);
  __asm__ volatile("movw %%ds, %0\n\tmovw %%es, %1\n\tmovw %%fs, %2"
                   : "=m"(thread.segments[0]), "=m"(thread.segments[1]), "=m"(thread.segments[2]));
}
void enter_user_state(const Thread& thread) noexcept {
  load_extended_state(g_extended_states[index_of(thread)]);
  __asm__ volatile("movw %0, %%ds\n\tmovw %1, %%es\n\tmovw %2, %%fs"
                   :
                   : "m"(thread.segments[0]), "m"(thread.segments[1]), "m"(thread.segments[2]));
}

void make_running(Thread& thread) noexcept {
  g_processor.Prcb.CurrentThread = &thread.nt.kthread;
  g_processor.Irql = thread.nt.irql;
  set_kernel_stack(stack_top(thread));
}

// Interrupts are off. The caller has said in its state whether it can go on.
void switch_threads() noexcept {
  Thread& before = running_thread();
  Thread* next = next_ready();
  if (next == nullptr) {
    g_idle = true;
    do {
      __asm__ volatile("sti\n\thlt\n\tcli" : : : "memory");
      next = next_ready();
    } while (next == nullptr);
    g_idle = false;
  }
  if (next == &before) return;
  if (before.process != nullptr) leave_user_state(before);
  make_running(*next);
  if (next->process != nullptr) enter_user_state(*next);
  switch_stacks(&before.stack_pointer, next->stack_pointer);
}

void prepare(Thread& thread, Process* process) noexcept {
  nt::Thread& nt = thread.nt;
  if (!thread.attached) nt::Facility::attach(nt);
  thread.attached = true;
  nt.kthread.Header.SignalState = 0;
  nt.kthread.CombinedApcDisable = 0;
  nt.kthread.TrapFrame = nullptr;
  nt.parker = &thread.parker;
  nt.irql = PASSIVE_LEVEL;
  nt.held_mutexes = 0;
  nt.event = nullptr;
  nt.is_system_thread = false;
  nt.inside.store(nullptr);
  nt.client_pid = process != nullptr ? process->id : 0;
  nt.client_tid = thread_id(thread);
  thread.process = process;
  thread.livelock.forget();
  thread.waits_on = nullptr;
  memset(g_extended_states[index_of(thread)], 0, kExtendedStateSize);
  for (uint16_t& segment : thread.segments) segment = BARE_USER_DS;
}

}  // namespace

Thread& running_thread() noexcept {
  return *reinterpret_cast<Thread*>(g_processor.Prcb.CurrentThread);
}

Thread& thread_at(uint32_t index) noexcept { return g_threads[index]; }

void start_threads() noexcept {
  g_processor.Self = &g_processor;
  g_processor.CurrentPrcb = &g_processor.Prcb;
  g_processor.MajorVersion = 1;
  g_processor.MinorVersion = 1;
  set_gs_base(&g_processor);
  g_threads[0].state = Thread::State::Ready;
  prepare(g_threads[0], nullptr);
  make_running(g_threads[0]);
}

size_t stack_used(const Thread& thread) noexcept {
  const uint8_t* const stack = g_stacks[index_of(thread)];
  size_t untouched = 0;
  while (untouched < kStackSize && stack[untouched] == 0) ++untouched;
  return kStackSize - untouched;
}

Thread* new_thread(void (*routine)(void*), void* argument, Process* process) noexcept {
  const InterruptsOff off;
  for (Thread& thread : g_threads) {
    if (thread.state != Thread::State::Free || thread.references != 0) continue;
    prepare(thread, process);
    // What switch_stacks() takes from it: six registers, and where it goes.
    auto* const words = reinterpret_cast<uint64_t*>(stack_top(thread)) - 7;
    memset(words, 0, 7 * sizeof *words);
    words[3] = reinterpret_cast<uint64_t>(argument);  // r12
    words[4] = reinterpret_cast<uint64_t>(routine);   // rbx
    words[6] = reinterpret_cast<uint64_t>(&thread_begin);
    thread.stack_pointer = reinterpret_cast<uint64_t>(words);
    thread.state = Thread::State::Ready;
    return &thread;
  }
  return nullptr;
}

void end_thread() noexcept {
  __asm__ volatile("cli" : : : "memory");
  running_thread().state = Thread::State::Free;
  // Nobody can take its place, and its stack, before it has been left.
  switch_threads();
  panic("a thread that has ended runs");
}

void enter_user_mode(const Frame& frame) noexcept {
  __asm__ volatile("cli" : : : "memory");
  auto* const at = reinterpret_cast<Frame*>(stack_top(running_thread())) - 1;
  memmove(at, &frame, sizeof frame);  // the caller's may lie just there
  leave_kernel(at);
}

void wait_on(const void* object, int64_t deadline_ns) noexcept {
  Thread& thread = running_thread();
  thread.waits_on = object;
  thread.deadline_ns = deadline_ns;
  thread.state = Thread::State::Waiting;
  switch_threads();
}

void wake(const void* object) noexcept {
  const InterruptsOff off;
  for (Thread& thread : g_threads) {
    if (thread.state == Thread::State::Waiting && thread.waits_on == object)
      thread.state = Thread::State::Ready;
  }
}

bool yield() noexcept {
  const InterruptsOff off;
  if (next_ready() == &running_thread()) return false;
  switch_threads();
  return true;
}

void sleep_until(int64_t deadline_ns) noexcept {
  const InterruptsOff off;
  while (now_ns() < deadline_ns) wait_on(nullptr, deadline_ns);
}

int64_t now_ns() noexcept { return __atomic_load_n(&g_ticks, __ATOMIC_RELAXED) * kTickNs; }

void on_timer() noexcept {
  acknowledge_timer();
  ++g_ticks;
  const int64_t now = now_ns();
  for (Thread& thread : g_threads) {
    if (thread.state == Thread::State::Waiting && thread.deadline_ns <= now)
      thread.state = Thread::State::Ready;
  }
  kernel_tick(now);
  if (!g_idle) switch_threads();
}

void ThreadParker::park(int64_t deadline_ns) noexcept {
  const InterruptsOff off;
  if (!token_) wait_on(this, deadline_ns);
  token_ = false;
}

void ThreadParker::unpark() noexcept {
  const InterruptsOff off;
  token_ = true;
  wake(this);
}

}  // namespace kebound::bare

// ---- core/pal.h: all that core/ asks of a kernel ----

namespace kebound::pal {

using bare::InterruptsOff;

// The look and the beginning of the wait are one step, since interrupts are off: a wake_all() that
// follows a change finds the waiter.
void wait_while_equal(const uint64_t* word, uint64_t value) noexcept {
  const InterruptsOff off;
  if (__atomic_load_n(word, __ATOMIC_ACQUIRE) == value) bare::wait_on(word, bare::kNever);
}

void wake_all(const uint64_t* word) noexcept { bare::wake(word); }

// One processor: whoever runs sees all that others did before they were switched away from. With
// more of them this is an interrupt to each, in which it executes a barrier, and the wait for that.
void heavy_barrier() noexcept { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

void relax() noexcept { __builtin_ia32_pause(); }

}  // namespace kebound::pal

// ---- the lock of nt/ (hosts/kernel/services.h) ----

namespace {
constinit uint64_t g_flags_of_holder = 0;
}

extern "C" {

void kb_lock(void) {
  uint64_t flags;
  __asm__ volatile("pushfq\n\tpopq %0\n\tcli" : "=r"(flags) : : "memory");
  g_flags_of_holder = flags;
}

void kb_unlock(void) {
  constexpr uint64_t kInterruptFlag = 0x200;
  if ((g_flags_of_holder & kInterruptFlag) != 0) __asm__ volatile("sti" : : : "memory");
}

}  // extern "C"

namespace kebound::nt {

Thread* current_thread() noexcept { return &bare::running_thread().nt; }

void set_irql(Thread& thread, KIRQL irql) noexcept {
  thread.irql = irql;
  if (current_thread() == &thread) bare::g_processor.Irql = irql;
}

}  // namespace kebound::nt
