// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hosts/inproc/runtime.h"

namespace kebound::inproc {
namespace {

// For callbacks, and for the program's handlers, which run on the same stack.
constexpr size_t kUsable = 64 * 1024;

size_t page_size() noexcept { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

size_t usable_size() noexcept {
  // The kernel's frame alone; it grows with the processor's state.
  const size_t frame = static_cast<size_t>(getauxval(AT_MINSIGSTKSZ));
  const size_t page = page_size();
  return (kUsable + frame + page - 1) / page * page;
}

pthread_key_t g_key;
bool g_has_key = false;

void free_stack(void* memory) noexcept {
  const int saved = errno;
  stack_t current{};
  const size_t page = page_size();
  char* const usable = static_cast<char*>(memory) + page;
  // The program may have set its own meanwhile; that one stays.
  if (sigaltstack(nullptr, &current) == 0 && current.ss_sp == usable) {
    stack_t none{};
    none.ss_flags = SS_DISABLE;
    if (sigaltstack(&none, nullptr) != 0) {
      errno = saved;  // the thread ends while it runs on it (pthread_exit in a callback)
      return;
    }
  }
  munmap(memory, page + usable_size());
  errno = saved;
}

void make_key() noexcept { g_has_key = pthread_key_create(&g_key, free_stack) == 0; }

}  // namespace

bool ensure_alternate_stack() noexcept {
  stack_t current{};
  if (sigaltstack(nullptr, &current) != 0) return false;
  if ((current.ss_flags & SS_DISABLE) == 0) return true;
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, make_key);
  if (!g_has_key) return false;
  const size_t page = page_size();
  const size_t size = usable_size();
  void* const memory = mmap(nullptr, page + size, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return false;
  stack_t stack{};
  stack.ss_sp = static_cast<char*>(memory) + page;
  stack.ss_size = size;
  if (mprotect(memory, page, PROT_NONE) != 0 || pthread_setspecific(g_key, memory) != 0 ||
      sigaltstack(&stack, nullptr) != 0) {
    pthread_setspecific(g_key, nullptr);
    munmap(memory, page + size);
    return false;
  }
  return true;
}

}  // namespace kebound::inproc
