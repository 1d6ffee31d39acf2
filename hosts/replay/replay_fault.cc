// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fmt/format.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <system_error>

#include "hosts/replay/replay_host.h"
#include "nt/facility.h"
#include "nt/thread.h"

namespace kebound::replay {
namespace {

ReplayHost* replay_host = nullptr;

constexpr greg_t kPageFaultWrite = 2;  // the page fault error code's write bit
constexpr greg_t kSingleStep = 0x100;  // EFLAGS.TF
constexpr uint64_t kLowBegin = 0x10000;
constexpr uint64_t kLowEnd = uint64_t{1} << 32;
constexpr uint64_t kPageSize = 4096;

// What the record has of the user's memory.
struct Known {
  uint64_t address = 0;
  size_t size = 0;
  uint8_t bytes[16] = {};

  [[nodiscard]] bool contains(uint64_t at) const { return at >= address && at - address < size; }
};
Known known[2];

// Pages that are there for the one instruction that reads them.
thread_local uint64_t shown[4] = {};
thread_local size_t shown_count = 0;

void* at(uint64_t address) { return reinterpret_cast<void*>(address); }
bool is_low(uint64_t address) { return address >= kLowBegin && address < kLowEnd; }

// Lets the instruction that reads `address` see what is known of that page, and only that one: what
// lies beside it would otherwise seem to be zero.
bool show(uint64_t address, greg_t& flags) {
  if (!is_known_memory(address) || shown_count == sizeof shown / sizeof *shown) return false;
  const uint64_t page = address & ~(kPageSize - 1);
  const int fixed = is_low(page) ? MAP_FIXED : MAP_FIXED_NOREPLACE;
  if (mmap(at(page), kPageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | fixed, -1,
           0) != at(page)) {
    return false;
  }
  for (const Known& part : known) {
    for (size_t i = 0; i < part.size; ++i) {
      const uint64_t to = part.address + i;
      if ((to & ~(kPageSize - 1)) == page) *static_cast<uint8_t*>(at(to)) = part.bytes[i];
    }
  }
  mprotect(at(page), kPageSize, PROT_READ);
  shown[shown_count++] = page;
  flags |= kSingleStep;
  return true;
}

void on_step(int, siginfo_t*, void* context) {
  const int saved_errno = errno;
  while (shown_count > 0) {
    const uint64_t page = shown[--shown_count];
    if (is_low(page)) {
      mmap(at(page), kPageSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
           -1, 0);
    } else {
      munmap(at(page), kPageSize);
    }
  }
  static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_EFL] &= ~kSingleStep;
  errno = saved_errno;
}

void on_fault(int signal, siginfo_t* info, void* context) {
  if (nt::current_thread() == nullptr) {
    // Not driver code: a bug of ours, or a signal from outside. Ends as it would have without us.
    ::signal(signal, SIG_DFL);
    if (info->si_code <= 0) raise(signal);
    return;
  }
  auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  const bool is_memory = signal == SIGSEGV || signal == SIGBUS;
  const bool has_address =
      signal == SIGSEGV && (info->si_code == SEGV_MAPERR || info->si_code == SEGV_ACCERR);
  const bool is_write = (registers[REG_ERR] & kPageFaultWrite) != 0;
  const auto address = reinterpret_cast<uint64_t>(info->si_addr);
  if (has_address && !is_write) {
    const int saved_errno = errno;
    const bool is_shown = show(address, registers[REG_EFL]);
    errno = saved_errno;
    if (is_shown) return;
  }
  // A driver that damaged the heap may have left its lock held: better to end than to hang.
  alarm(10);
  const auto where = nt::Facility::describe(static_cast<uint64_t>(registers[REG_RIP]));
  std::string why;
  if (has_address) {
    why = fmt::format("{} {} 0x{:x}, which is not in the record", where,
                      is_write ? "wrote to" : "read", address);
  } else if (is_memory) {
    why = fmt::format("{} raised a general protection fault", where);
  } else {
    why = fmt::format("{} raised signal {}", where, signal);
  }
  alarm(0);
  replay_host->give_up(why, is_memory);
}

void handle(int signal, void (*handler)(int, siginfo_t*, void*)) {
  struct sigaction action {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  sigemptyset(&action.sa_mask);
  if (sigaction(signal, &action, nullptr) != 0) {
    throw std::system_error(errno, std::generic_category(), "sigaction");
  }
}

}  // namespace

void set_known_memory(const events::BoundException& recorded) noexcept {
  const auto& event = recorded.event;
  known[0].address = event.ip;
  known[0].size = std::min<size_t>(recorded.code_size, sizeof recorded.code);
  memcpy(known[0].bytes, recorded.code, known[0].size);
  // BOUND's operand: two signed numbers of the width of the comparison.
  known[1] = {};
  const size_t each = event.index_width / 8;
  if (event.bounds_address == 0 || event.confidence != Confidence::Certain) return;
  if (each != 2 && each != 4) return;
  known[1].address = event.bounds_address;
  known[1].size = 2 * each;
  memcpy(known[1].bytes, &event.lower, each);
  memcpy(known[1].bytes + each, &event.upper, each);
}

bool is_known_memory(uint64_t address) noexcept {
  return known[0].contains(address) || known[1].contains(address);
}

void install_fault_handlers(ReplayHost& host) {
  replay_host = &host;
  // So that an address of a 32-bit program is never one of ours. Where it cannot be had, most are
  // not.
  mmap(at(kLowBegin), kLowEnd - kLowBegin, PROT_NONE,
       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
  for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) handle(signal, on_fault);
  handle(SIGTRAP, on_step);
}

}  // namespace kebound::replay
