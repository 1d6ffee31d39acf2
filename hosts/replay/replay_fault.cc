// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <string>
#include <system_error>

#include "hosts/replay/replay_host.h"
#include "nt/facility.h"
#include "nt/thread.h"

namespace kebound::replay {
namespace {

ReplayHost* replay_host = nullptr;

constexpr greg_t kPageFaultWrite = 2;  // the page fault error code's write bit
constexpr uint64_t kLowBegin = 0x10000;
constexpr uint64_t kLowEnd = uint64_t{1} << 32;

void on_fault(int signal, siginfo_t* info, void* context) {
  if (nt::current_thread() == nullptr) {
    // Not driver code: a bug of ours, or a signal from outside. Ends as it would have without us.
    ::signal(signal, SIG_DFL);
    if (info->si_code <= 0) raise(signal);
    return;
  }
  // A driver that damaged the heap may have left its lock held: better to end than to hang.
  alarm(10);
  const auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  const auto where = nt::Facility::describe(static_cast<uint64_t>(registers[REG_RIP]));
  const bool is_memory = signal == SIGSEGV || signal == SIGBUS;
  std::string why;
  if (is_memory) {
    const bool has_address = info->si_code == SEGV_MAPERR || info->si_code == SEGV_ACCERR;
    const char* const verb = (registers[REG_ERR] & kPageFaultWrite) != 0 ? "wrote to" : "read";
    why = has_address
              ? fmt::format("{} {} 0x{:x}: a record has registers, but not the program's memory",
                            where, verb, reinterpret_cast<uint64_t>(info->si_addr))
              : fmt::format("{} raised a general protection fault", where);
  } else {
    why = fmt::format("{} raised signal {}", where, signal);
  }
  alarm(0);
  replay_host->give_up(why, is_memory);
}

}  // namespace

void install_fault_handlers(ReplayHost& host) {
  replay_host = &host;
  // So that an address of a 32-bit program is never one of ours. Where it cannot be had, most are
  // not.
  mmap(reinterpret_cast<void*>(kLowBegin), kLowEnd - kLowBegin, PROT_NONE,
       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
  struct sigaction action {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  sigemptyset(&action.sa_mask);
  for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) {
    if (sigaction(signal, &action, nullptr) != 0) {
      throw std::system_error(errno, std::generic_category(), "sigaction");
    }
  }
}

}  // namespace kebound::replay
