// SPDX-License-Identifier: Apache-2.0
//
// The suite as a driver: runs one case on a system thread of its own, against conformance_guest.
// KEBOUND_CONFORMANCE_FILE names the file shared with the guest, KEBOUND_CONFORMANCE_CASE the case.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/conformance/hosted_program.h"
#include "tests/conformance/toolbox.h"

namespace kebound::conformance {
namespace {

class ProgramUnderSupervisor final : public HostedProgram {
 public:
  using HostedProgram::HostedProgram;

  [[nodiscard]] bool map(const char* path) {
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return false;
    void* const memory = mmap(nullptr, kConformanceSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (memory == MAP_FAILED) return false;
    use(static_cast<conformance_shared*>(memory));
    return true;
  }

  void start(unsigned thread, const Exception& exception) override {
    wait_for_worker();
    HostedProgram::start(thread, exception);
  }
};

ProgramUnderSupervisor* the_host;
const Case* the_case;
void* the_thread;

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

}  // namespace
}  // namespace kebound::conformance

extern "C" NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING /*registry_path*/) {
  using namespace kebound::conformance;
  const char* const file = getenv("KEBOUND_CONFORMANCE_FILE");
  const char* const name = getenv("KEBOUND_CONFORMANCE_CASE");
  if (file == nullptr || name == nullptr) return STATUS_INVALID_PARAMETER;
  the_case = find_case(name);
  if (the_case == nullptr) {
    DbgPrint("conformance: no case %s\n", name);
    return STATUS_NOT_FOUND;
  }
  static ProgramUnderSupervisor host(driver);
  if (!host.map(file)) return STATUS_NO_SUCH_DEVICE;
  the_host = &host;
  running_host() = &host;
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
