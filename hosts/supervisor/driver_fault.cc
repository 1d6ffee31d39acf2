// SPDX-License-Identifier: Apache-2.0
#include "hosts/supervisor/driver_fault.h"

#include <errno.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <string>
#include <system_error>

#include "hosts/supervisor/fiber.h"
#include "hosts/supervisor/target_memory.h"
#include "nt/facility.h"
#include "nt/host.h"
#include "trap/x86/compiler_trap.h"

namespace kebound::supervisor {
namespace {

UserWindow* user_window = nullptr;

// NTSTATUS values that an unhandled exception hands to bug check 0x1E (public, ntstatus.h).
constexpr uint64_t kStatusAccessViolation = 0xC0000005;
constexpr uint64_t kStatusIllegalInstruction = 0xC000001D;
constexpr uint64_t kStatusIntegerDivideByZero = 0xC0000094;
constexpr uint64_t kStatusAssertionFailure = 0xC0000420;
constexpr uint64_t kKernelHalf = uint64_t{1} << 47;
// Parameters 1 of bug check 0x7F: the trap number.
constexpr uint64_t kTrapBoundRange = 5;
constexpr uint64_t kTrapDoubleFault = 8;
// The page fault error code's write bit, and the check kind of array bounds.
constexpr greg_t kPageFaultWrite = 2;

struct Fault {
  int signal;
  uint64_t ip;
  uint64_t address;
  bool write;
  bool on_memory;  // a page fault with an address; else #GP and the like
};

// Names the image at fault: that of the instruction, or where that is a library routine, of the
// callback that the thread is inside.
void name_culprit(const nt::Thread& thread, uint64_t ip, nt::BugCheck& bug_check) {
  Registration registration;
  const bool in_callback =
      nt::Facility::registry().find(thread.dispatch_context.current(), registration);
  const auto routine = reinterpret_cast<uint64_t>(registration.routine);
  if (in_callback) bug_check.callback = nt::Facility::describe(routine);
  const nt::Image* image = nt::Facility::image_of(ip);
  if (image == nullptr && in_callback) image = nt::Facility::image_of(routine);
  if (image != nullptr) bug_check.driver = image->name;
}

nt::BugCheck describe_memory_fault(const Fault& fault, const std::string& where,
                                   UserWindow::PageIn result) {
  using nt::BugCheckCode;
  const char* const verb = fault.write ? "wrote to" : "read";
  const Fiber* const fiber = FiberScheduler::current();
  nt::BugCheck bug_check;
  if (fiber != nullptr && fiber->is_guard_page(fault.address)) {
    bug_check.code = static_cast<uint32_t>(BugCheckCode::UnexpectedKernelModeTrap);
    bug_check.parameters[0] = kTrapDoubleFault;
    bug_check.parameters[1] = fault.address;
    bug_check.parameters[2] = fault.ip;
    bug_check.explanation = fmt::format("the driver used more than its {} KiB of stack at {}",
                                        Fiber::kStackSize / 1024, where);
  } else if (fault.on_memory && fault.address >= kKernelHalf) {
    bug_check.code = static_cast<uint32_t>(BugCheckCode::PageFaultInNonpagedArea);
    bug_check.parameters[0] = fault.address;
    bug_check.parameters[1] = fault.write ? 2 : 0;
    bug_check.parameters[2] = fault.ip;
    bug_check.explanation =
        fmt::format("{} {} the system address {:#x}, where nothing is", where, verb, fault.address);
  } else {
    bug_check.code = static_cast<uint32_t>(BugCheckCode::KmodeExceptionNotHandled);
    bug_check.parameters[0] = kStatusAccessViolation;
    bug_check.parameters[1] = fault.ip;
    bug_check.parameters[2] = fault.write ? 1 : 0;
    bug_check.parameters[3] = fault.on_memory ? fault.address : ~uint64_t{0};
    const char* why = "which the program has not mapped that way";
    if (result == UserWindow::PageIn::Unreachable) {
      why =
          "which the supervisor itself occupies: the program's address space and its own collide "
          "there";
    } else if (!UserWindow::inside()) {
      why = "on a thread that runs on behalf of no program";
    }
    bug_check.explanation =
        fault.on_memory ? fmt::format("{} {} address {:#x}, {}", where, verb, fault.address, why)
                        : fmt::format("{} raised a general protection fault", where);
  }
  return bug_check;
}

nt::BugCheck describe_fault(const Fault& fault, UserWindow::PageIn result) {
  const std::string where = nt::Facility::describe(fault.ip);
  if (fault.signal == SIGSEGV || fault.signal == SIGBUS) {
    return describe_memory_fault(fault, where, result);
  }
  nt::BugCheck bug_check;
  bug_check.code = static_cast<uint32_t>(nt::BugCheckCode::KmodeExceptionNotHandled);
  bug_check.parameters[1] = fault.ip;
  x86::CompilerTrap trap;
  const auto* const code = reinterpret_cast<const uint8_t*>(fault.ip);
  const size_t readable = kPageSize - (fault.ip & (kPageSize - 1));
  if (fault.signal == SIGILL && x86::decode_compiler_trap(code, readable, trap) &&
      x86::is_array_bounds_check(trap)) {
    bug_check.code = static_cast<uint32_t>(nt::BugCheckCode::UnexpectedKernelModeTrap);
    bug_check.parameters[0] = kTrapBoundRange;
    bug_check.parameters[1] = fault.ip;
    bug_check.explanation = fmt::format("a bound exception in driver code, at {}", where);
  } else if (fault.signal == SIGILL) {
    bug_check.parameters[0] = kStatusIllegalInstruction;
    bug_check.explanation = fmt::format("{} executed an illegal instruction", where);
  } else if (fault.signal == SIGFPE) {
    bug_check.parameters[0] = kStatusIntegerDivideByZero;
    bug_check.explanation = fmt::format("{} divided by zero", where);
  } else {
    bug_check.parameters[0] = kStatusAssertionFailure;
    bug_check.explanation = "driver code called abort(), or let a C++ exception escape";
  }
  return bug_check;
}

void on_fault(int signal, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  const auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  const bool on_memory =
      signal == SIGSEGV && (info->si_code == SEGV_MAPERR || info->si_code == SEGV_ACCERR);
  const Fault fault{
      .signal = signal,
      .ip = static_cast<uint64_t>(registers[REG_RIP]),
      .address = reinterpret_cast<uint64_t>(info->si_addr),
      .write = (registers[REG_ERR] & kPageFaultWrite) != 0,
      .on_memory = on_memory || signal == SIGBUS,
  };
  UserWindow::PageIn result = UserWindow::PageIn::NotMapped;
  if (on_memory && UserWindow::inside()) {
    result = user_window->page_in(fault.address, fault.write);
    if (result == UserWindow::PageIn::Done) {
      errno = saved_errno;
      return;
    }
  }
  nt::Thread* const thread = nt::current_thread();
  if (thread == nullptr) {
    // Not driver code: a bug of ours, or a signal from outside. Ends as it would have without us.
    ::signal(signal, SIG_DFL);
    if (info->si_code <= 0) raise(signal);
    return;
  }
  // A driver that damaged the heap may have left its lock held: better to end than to hang over
  // stopped threads.
  alarm(10);
  nt::BugCheck bug_check = describe_fault(fault, result);
  name_culprit(*thread, fault.ip, bug_check);
  bug_check.pid = thread->client_pid;
  bug_check.tid = thread->client_tid;
  nt::host().bug_check(bug_check);
}

}  // namespace

void install_driver_fault_handlers(UserWindow& window) {
  user_window = &window;
  struct sigaction action {};
  action.sa_sigaction = on_fault;
  // NODEFER: the handler leaves by switching to the scheduler, and the next fault has to be
  // delivered.
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  sigemptyset(&action.sa_mask);
  for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) {
    if (sigaction(signal, &action, nullptr) != 0) {
      throw std::system_error(errno, std::generic_category(), "sigaction");
    }
  }
}

ScopedAlternateStack::ScopedAlternateStack()
    : memory_(mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {
  if (memory_ == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "sigaltstack");
  stack_t stack{};
  stack.ss_sp = memory_;
  stack.ss_size = kSize;
  sigaltstack(&stack, nullptr);
}

ScopedAlternateStack::~ScopedAlternateStack() {
  stack_t stack{};
  stack.ss_flags = SS_DISABLE;
  sigaltstack(&stack, nullptr);
  munmap(memory_, kSize);
}

}  // namespace kebound::supervisor
