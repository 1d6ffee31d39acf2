// SPDX-License-Identifier: Apache-2.0
//
// The suite as a driver: runs one case on a system thread of its own, against conformance_guest.
// KEBOUND_CONFORMANCE_FILE names the file shared with the guest, KEBOUND_CONFORMANCE_CASE the case.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "tests/conformance/shared.h"
#include "tests/conformance/toolbox.h"

namespace kebound::conformance {
namespace {

// Not the NT face's delay: what waits here must not depend on what is tested.
void pause_briefly() {
  const timespec interval = {0, 50'000};
  nanosleep(&interval, nullptr);
}

class ProgramUnderSupervisor final : public HostUnderTest {
 public:
  explicit ProgramUnderSupervisor(DRIVER_OBJECT* driver) : driver_(driver) {}

  [[nodiscard]] bool map(const char* path) {
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return false;
    void* const memory = mmap(nullptr, kConformanceSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (memory == MAP_FAILED) return false;
    shared_ = static_cast<conformance_shared*>(memory);
    return true;
  }

  void start(unsigned thread, const Exception& exception) override {
    wait_for_worker();
    Order& order = orders_[thread];
    conformance_slot& slot = shared_->slots[thread];
    order.deaths = __atomic_load_n(&shared_->deaths, __ATOMIC_ACQUIRE);
    order.own_handler = exception.own_handler;
    slot.bounds[0] = exception.lower;
    slot.bounds[1] = exception.upper;
    slot.in = {};
    slot.in.eax = static_cast<uint32_t>(exception.index);
    slot.in.ecx = exception.ecx;
    slot.in.edx = exception.flavour == Flavour::UnmappedBounds
                      ? shared_->unmapped_address
                      : static_cast<uint32_t>(bounds_address(thread));
    slot.in.ebx = exception.ebx;
    slot.in.ebp = exception.ebp;
    slot.in.esi = exception.esi;
    slot.in.edi = exception.edi;
    slot.in.eflags = 0x202;
    slot.null_ds = exception.flavour == Flavour::NullDataSegment ? 1 : 0;
    slot.own_handler = exception.own_handler ? 1 : 0;
    order.request = slot.request + 1;
    __atomic_store_n(&slot.request, order.request, __ATOMIC_RELEASE);
  }

  Raised wait(unsigned thread) override {
    const Order order = orders_[thread];
    conformance_slot& slot = shared_->slots[thread];
    Raised raised;
    for (int i = 0; i < kPatience; ++i) {
      if (__atomic_load_n(&slot.done, __ATOMIC_ACQUIRE) == order.request) {
        raised.end = slot.landing == kLandingBehind      ? Raised::End::Behind
                     : slot.landing == kLandingElsewhere ? Raised::End::Elsewhere
                                                         : Raised::End::Propagated;
        raised.trap = slot.trap;
        const conformance_registers& out = slot.out;
        raised.registers = {out.eax, out.ecx, out.edx, out.ebx,   out.esp,
                            out.ebp, out.esi, out.edi, out.eflags};
        return raised;
      }
      if (__atomic_load_n(&shared_->deaths, __ATOMIC_ACQUIRE) != order.deaths) {
        constexpr int kSegv = 11;
        const bool of_segv = (shared_->last_status & 0x7f) == kSegv;
        raised.end =
            of_segv && !order.own_handler ? Raised::End::Propagated : Raised::End::Terminated;
        return raised;
      }
      pause_briefly();
    }
    fail(__FILE__, __LINE__, "the thread came to an end of its exception");
    return raised;
  }

  [[nodiscard]] uint64_t bound_address() const override { return shared_->bound_address; }
  [[nodiscard]] uint64_t elsewhere_address() const override { return shared_->elsewhere_address; }
  [[nodiscard]] uint64_t bounds_address(unsigned thread) const override {
    return kConformanceAddress + offsetof(conformance_shared, slots) +
           thread * sizeof(conformance_slot) + offsetof(conformance_slot, bounds);
  }
  [[nodiscard]] uint64_t process_id() const override {
    return static_cast<uint64_t>(shared_->worker_pid);
  }
  [[nodiscard]] uint64_t thread_id(unsigned thread) const override {
    return shared_->slots[thread].tid;
  }
  [[nodiscard]] DRIVER_OBJECT* driver_object() const override { return driver_; }

  void fail(const char* file, int line, const char* what) override {
    __atomic_store_n(&shared_->result, 1, __ATOMIC_RELEASE);
    char text[512];
    const int length = snprintf(text, sizeof text, "%s:%d: not so: %s\n", file, line, what);
    const auto size = static_cast<uint32_t>(length < 0 ? 0 : length < 511 ? length : 511);
    const uint32_t at = __atomic_fetch_add(&shared_->messages_used, size, __ATOMIC_ACQ_REL);
    if (at + size <= kConformanceMessages) memcpy(shared_->messages + at, text, size);
  }

  void wait_for_worker() {
    for (int i = 0; i < kPatience; ++i) {
      const uint32_t ready = __atomic_load_n(&shared_->ready, __ATOMIC_ACQUIRE);
      if (ready != 0 && ready == __atomic_load_n(&shared_->deaths, __ATOMIC_ACQUIRE) + 1) return;
      pause_briefly();
    }
    fail(__FILE__, __LINE__, "the guest is there");
  }
  void finish() { __atomic_store_n(&shared_->quit, 1, __ATOMIC_RELEASE); }

 private:
  static constexpr int kPatience = 200'000;  // of 50 us and more: what bounds a failure
  struct Order {
    uint32_t request = 0;
    uint32_t deaths = 0;
    bool own_handler = true;
  };
  DRIVER_OBJECT* driver_;
  conformance_shared* shared_ = nullptr;
  Order orders_[kConformanceThreads];
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
