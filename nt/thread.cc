// SPDX-License-Identifier: Apache-2.0
#include "nt/thread.h"

#include <asm/prctl.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace kebound::nt {

namespace {

// In thread-local storage: as long-lived as the host thread whose gs base points to it, and never
// allocated.
struct Processor {
  KPCR pcr{};
  bool adopted = false;
};
constinit thread_local Processor t_processor;

void set_gs_base(const void* base) noexcept {
  constexpr unsigned long kHwcap2Fsgsbase = 1UL << 1;
  if ((getauxval(AT_HWCAP2) & kHwcap2Fsgsbase) != 0) {
    __asm__ volatile("wrgsbase %0" : : "r"(base) : "memory");
  } else {
    syscall(SYS_arch_prctl, ARCH_SET_GS, base);
  }
}

}  // namespace

// Not inline, and the functions below neither: a fiber that moves to another host thread must not
// keep the address of thread-local storage over the switch.
void adopt_host_thread() noexcept {
  Processor& processor = t_processor;
  if (processor.adopted) return;
  processor.pcr.Self = &processor.pcr;
  processor.pcr.CurrentPrcb = &processor.pcr.Prcb;
  processor.pcr.MajorVersion = 1;
  processor.pcr.MinorVersion = 1;
  set_gs_base(&processor.pcr);
  processor.adopted = true;
}

void enter_thread(Thread* thread) noexcept {
  KPCR& pcr = t_processor.pcr;
  pcr.Prcb.CurrentThread = thread != nullptr ? &thread->kthread : nullptr;
  pcr.Irql = thread != nullptr ? thread->irql : KIRQL{PASSIVE_LEVEL};
}

Thread* current_thread() noexcept {
  return reinterpret_cast<Thread*>(t_processor.pcr.Prcb.CurrentThread);
}

void set_irql(Thread& thread, KIRQL irql) noexcept {
  thread.irql = irql;
  KPCR& pcr = t_processor.pcr;
  if (pcr.Prcb.CurrentThread == &thread.kthread) pcr.Irql = irql;
}

}  // namespace kebound::nt
