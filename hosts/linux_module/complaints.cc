// SPDX-License-Identifier: Apache-2.0
//
// The NT face's host: complaints become lines of the kernel's log, and a bug check takes its registration
// and its process, never the machine.
#include "hosts/linux_module/complaints.h"

#include <new>

#include "hosts/kernel/complaint_lines.h"
#include "hosts/linux_module/kebound_module.h"
#include "hosts/linux_module/native.h"
#include "hosts/linux_module/publish.h"
#include "hosts/linux_module/threads.h"
#include "nt/host.h"
#include "nt/report.h"

namespace kebound::linux_module {

namespace {

void disable(uint64_t routine) {
  Registration live[kMaxRegistrations];
  Registry& registry = nt::Facility::registry();
  nt::Thread* const thread = nt::current_thread();
  const Handle inside = thread != nullptr ? thread->dispatch_context.current() : 0;
  const uint32_t count = registry.list(live);
  for (uint32_t i = 0; i < count; ++i) {
    if (live[i].handle != inside && reinterpret_cast<uint64_t>(live[i].routine) != routine)
      continue;
    registry.remove(live[i].handle, thread != nullptr ? &thread->dispatch_context : nullptr);
    mark_native_removed(live[i].handle);
  }
}

[[nodiscard]] uint64_t routine_at_fault(const nt::BugCheck& record) noexcept {
  switch (static_cast<nt::BugCheckCode>(record.code)) {
    case nt::BugCheckCode::UnexpectedKernelModeTrap:
      return record.parameters[2];
    case nt::BugCheckCode::DriverUnloadedWithoutCancellingPendingOperations:
      return record.parameters[0];
    default:
      return 0;
  }
}

class KernelHost final : public nt::Host {
 public:
  void debug_output(const nt::DebugOutput& output) override {
    kb_log(0, debug_line(output).c_str());
  }

  void violation(const nt::Violation& violation) override {
    kb_log(1, violation_line(violation).c_str());
    publish_violation(violation.rule.c_str(), violation.message.c_str());
  }

  [[noreturn]] void bug_check(const nt::BugCheck& record) override {
    report_bug_check(record);
    nt::Thread* const thread = nt::current_thread();
    disable(routine_at_fault(record));
    if (thread != nullptr && thread->event != nullptr) kb_kill_current();
    TaskThread* const task = thread != nullptr ? &task_thread_of(*thread) : nullptr;
    if (task != nullptr && task->guard != nullptr) kb_escape(task->guard);
    kb_stop_task();
  }

  [[nodiscard]] bool address_valid(uint64_t address) override;
};

bool KernelHost::address_valid(uint64_t address) {
  char byte;
  return kb_read_user(nullptr, address, &byte, 1) == 1;
}

// Never destroyed, and made by hand: nothing runs before kb_start().
alignas(KernelHost) unsigned char g_host[sizeof(KernelHost)];

constinit Atomic<unsigned long> g_bug_checks;

constinit Atomic<Handle> g_complained[kMaxRegistrations];

}  // namespace

void report_bug_check(const nt::BugCheck& record) {
  g_bug_checks.fetch_add(1);
  kb_log(2, bug_check_line(record).c_str());
  publish_bug_check(record.code, record.parameters, 0, record.explanation.c_str());
}

void start_host() noexcept { new (g_host) KernelHost; }

void complain_once(const Registration& registration, const char* rule, const char* what) {
  if (g_complained[registration.handle % kMaxRegistrations].exchange(registration.handle) ==
      registration.handle)
    return;
  const auto routine = reinterpret_cast<uint64_t>(registration.routine);
  nt::report_violation(rule, routine, nt::Facility::describe(routine) + ": " + what);
}

void report_termination(uint64_t routine, const char* reason) {
  kb_log(1, termination_line(kb_current_pid(), kb_current_tid(), routine, reason).c_str());
}

}  // namespace kebound::linux_module

extern "C" unsigned long kebound_bug_check_count(void) {
  return kebound::linux_module::g_bug_checks.load();
}

namespace kebound::nt {

Host& host() noexcept { return *reinterpret_cast<Host*>(linux_module::g_host); }

bool Host::address_valid(uint64_t) { return false; }

}  // namespace kebound::nt
