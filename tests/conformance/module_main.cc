// SPDX-License-Identifier: Apache-2.0
//
// The suite as a driver in the Linux kernel: a module whose parameter names the case, and whose
// device is the memory that conformance_guest maps.
#include <new>

#include "tests/conformance/module_glue.h"
#include "tests/conformance/ordered_program.h"
#include "tests/conformance/toolbox.h"

namespace kebound::conformance {

namespace {

const Case* the_case;
void* the_thread;

class ProgramUnderModule final : public OrderedProgram {
 public:
  explicit ProgramUnderModule(DRIVER_OBJECT* driver)
      : OrderedProgram(driver), bug_checks_before_(kbc_bug_checks()) {
    use(static_cast<conformance_shared*>(kbc_memory()));
  }

  void start(unsigned thread, const Exception& exception) override {
    wait_for_worker();
    OrderedProgram::start(thread, exception);
  }

  Raised wait(unsigned thread) override {
    const Raised raised = OrderedProgram::wait(thread);
    leave_after_bug_check();
    return raised;
  }

  void fail(const char* file, int line, const char* what) override {
    leave_after_bug_check();
    kbc_fail(file, line, what);
    __atomic_store_n(&shared().result, 1, __ATOMIC_RELEASE);
  }

 protected:
  void pause_briefly() override { kbc_pause(); }

 private:
  // Elsewhere a bug check ends the process that the case runs in. Here the host goes on; the case
  // must not.
  void leave_after_bug_check() {
    if (the_case->traits.bug_check == 0 || kbc_bug_checks() == bug_checks_before_) return;
    finish();
    PsTerminateSystemThread(STATUS_SUCCESS);
  }

  unsigned long bug_checks_before_;
};

ProgramUnderModule* the_host;

VOID NTAPI run_case(PVOID /*context*/) {
  the_host->wait_for_worker();
  the_case->body(*the_host);
  the_host->finish();
  PsTerminateSystemThread(STATUS_SUCCESS);
}

VOID NTAPI unload(PDRIVER_OBJECT /*driver*/) {
  if (the_thread != nullptr) {
    KeWaitForSingleObject(the_thread, Executive, KernelMode, FALSE, nullptr);
    ObDereferenceObject(the_thread);
  }
  if (the_case->traits.unload != nullptr) the_case->traits.unload();
}

alignas(ProgramUnderModule) unsigned char g_host[sizeof(ProgramUnderModule)];

}  // namespace
}  // namespace kebound::conformance

extern "C" NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING /*registry_path*/) {
  using namespace kebound::conformance;
  the_case = find_case(kbc_case_name());
  if (the_case == nullptr) {
    DbgPrint("conformance: no case %s\n", kbc_case_name());
    return STATUS_NOT_FOUND;
  }
  the_host = new (g_host) ProgramUnderModule(driver);
  running_host() = the_host;
  driver->DriverUnload = unload;
  if (the_case->traits.entry != nullptr) {
    const NTSTATUS status = the_case->traits.entry();
    if (!NT_SUCCESS(status)) return status;
  }
  HANDLE handle = nullptr;
  const NTSTATUS status = PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, nullptr, nullptr,
                                               nullptr, run_case, nullptr);
  if (!NT_SUCCESS(status)) return status;
  const NTSTATUS referenced = ObReferenceObjectByHandle(handle, THREAD_ALL_ACCESS, nullptr,
                                                        KernelMode, &the_thread, nullptr);
  ZwClose(handle);
  return referenced;
}
