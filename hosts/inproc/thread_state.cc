// SPDX-License-Identifier: Apache-2.0
#include "hosts/inproc/thread_state.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hosts/inproc/chain.h"

namespace kebound::inproc {
namespace {

constexpr unsigned kStatesPerBlock = 64;

struct Block {
  Atomic<Block*> next{};
  ThreadState states[kStatesPerBlock] = {};
  Atomic<uint64_t> attached[kStatesPerBlock] =
      {};  // 1: the state's context is part of the registry
};

constinit Block g_first_block{};

// Initial-exec: read in signal handlers, where a first use must not allocate.
#define KEBOUND_THREAD_LOCAL __thread __attribute__((tls_model("initial-exec")))
KEBOUND_THREAD_LOCAL ThreadState* t_state = nullptr;
KEBOUND_THREAD_LOCAL kebound_guard* t_guard = nullptr;

constinit Registry* g_registry = nullptr;
pthread_key_t g_key;
bool g_has_key = false;

uint64_t thread_id() noexcept { return static_cast<uint64_t>(syscall(SYS_gettid)); }

bool is_gone(uint64_t owner) noexcept {
  return owner != 0 && syscall(SYS_tgkill, getpid(), owner, 0) != 0 && errno == ESRCH;
}

// A thread's last moments: pthread_exit() from within a callback comes here too.
void give_back(void* opaque) noexcept {
  auto& state = *static_cast<ThreadState*>(opaque);
  t_state = nullptr;
  if (state.in_nt_callback) leave_nt(state.program_gs);
  state.in_nt_callback = false;
  g_registry->abandon(state.context);
  state.owner.store(0, MemoryOrder::Relaxed);
  state.context.release();
}

// A thread that ended without running destructors, or after they ran, has left its state behind. A
// state whose owner is gone is its finder's: the owner's number is what finders race for.
bool take_over_abandoned(ThreadState& state, uint64_t self) noexcept {
  uint64_t owner = state.owner.load(MemoryOrder::Acquire);
  if (owner != self && !is_gone(owner)) return false;
  if (!state.owner.compare_exchange(owner, self, MemoryOrder::AcqRel)) return false;
  g_registry->abandon(state.context);
  return true;
}

template <class Take>
ThreadState* find_state(Registry& registry, Take&& take) noexcept {
  for (Block* block = &g_first_block; block != nullptr;
       block = block->next.load(MemoryOrder::Acquire)) {
    for (unsigned i = 0; i < kStatesPerBlock; ++i) {
      ThreadState& state = block->states[i];
      if (!take(state)) continue;
      if (block->attached[i].exchange(1, MemoryOrder::AcqRel) == 0) registry.attach(state.context);
      return &state;
    }
  }
  return nullptr;
}

// More states, zero pages until they are used. Never given back.
bool add_block() noexcept {
  void* const memory =
      mmap(nullptr, sizeof(Block), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return false;
  // All zero is what constructors would make of it; touching it all would make it resident.
  auto* const block = static_cast<Block*>(memory);
  Block* last = &g_first_block;
  for (;;) {
    Block* next = nullptr;
    if (last->next.compare_exchange(next, block, MemoryOrder::AcqRel)) return true;
    last = next;
  }
}

void prepare(ThreadState& state) noexcept {
  state.livelock.forget();
  state.in_nt_callback = false;
  state.kthread.thread.TrapFrame = &state.frame;
  prepare_kpcr(state.kpcr, &state.kthread);
}

// glibc keeps the first 32 keys' values inside the thread's descriptor; beyond, setting one may
// allocate, and this runs in a signal handler. Then the end of the thread is found out later.
constexpr pthread_key_t kKeysWithoutAllocation = 32;

void in_child() noexcept {
  // Nobody else is here, and locks that others held are held by nobody.
  for (const int signal : kChainedSignals) chained_action(signal)->reset_lock_in_child();
  ThreadState* const self = t_state;
  g_registry->forget_other_threads(self != nullptr ? &self->context : nullptr);
  for (Block* block = &g_first_block; block != nullptr;
       block = block->next.load(MemoryOrder::Relaxed)) {
    for (ThreadState& state : block->states) {
      state.owner.store(&state == self ? thread_id() : 0, MemoryOrder::Relaxed);
    }
  }
}

}  // namespace

ThreadState* current_thread_state() noexcept { return t_state; }
kebound_guard*& innermost_guard() noexcept { return t_guard; }

ThreadState* claim_thread_state(Registry& registry) noexcept {
  if (t_state != nullptr) return t_state;
  const int saved = errno;
  const uint64_t self = thread_id();
  ThreadState* state = nullptr;
  do {
    state = find_state(registry, [self](ThreadState& candidate) {
      if (!candidate.context.try_claim()) return false;
      candidate.owner.store(self, MemoryOrder::Release);
      return true;
    });
    if (state == nullptr) {
      state = find_state(registry, [self](ThreadState& s) { return take_over_abandoned(s, self); });
    }
  } while (state == nullptr && add_block());
  if (state != nullptr) {
    prepare(*state);
    t_state = state;
    if (g_has_key) pthread_setspecific(g_key, state);
  }
  errno = saved;
  return state;
}

void watch_threads(Registry& registry) noexcept {
  g_registry = &registry;
  g_has_key = pthread_key_create(&g_key, give_back) == 0;
  if (g_has_key && g_key >= kKeysWithoutAllocation) {
    pthread_key_delete(g_key);
    g_has_key = false;
  }
  pthread_atfork(nullptr, nullptr, in_child);
}

}  // namespace kebound::inproc
