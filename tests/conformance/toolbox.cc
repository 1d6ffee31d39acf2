// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/toolbox.h"

#include <string.h>

namespace kebound::conformance {

const Case*& first_case() {
  static const Case* first = nullptr;
  return first;
}

const Case* find_case(const char* name) {
  for (const Case* c = first_case(); c != nullptr; c = c->next) {
    if (strcmp(c->name, name) == 0) return c;
  }
  return nullptr;
}

HostUnderTest*& running_host() {
  static HostUnderTest* host = nullptr;
  return host;
}

namespace {

VOID NTAPI run_system_thread(PVOID context) {
  reinterpret_cast<void (*)()>(context)();
  PsTerminateSystemThread(STATUS_SUCCESS);
}

}  // namespace

SystemThread::SystemThread(void (*fn)()) {
  HANDLE handle = nullptr;
  if (!NT_SUCCESS(PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, nullptr, nullptr, nullptr,
                                       run_system_thread, reinterpret_cast<void*>(fn)))) {
    host_now().fail(__FILE__, __LINE__, "a system thread can be created");
    return;
  }
  if (!NT_SUCCESS(ObReferenceObjectByHandle(handle, THREAD_ALL_ACCESS, nullptr, KernelMode,
                                            &object_, nullptr))) {
    host_now().fail(__FILE__, __LINE__, "a system thread can be referenced");
    object_ = nullptr;
  }
  ZwClose(handle);
}

bool SystemThread::join() {
  if (object_ == nullptr) return false;
  LARGE_INTEGER limit = milliseconds(15'000);
  return KeWaitForSingleObject(object_, Executive, KernelMode, FALSE, &limit) == STATUS_SUCCESS;
}

SystemThread::~SystemThread() {
  if (object_ == nullptr) return;
  if (!join()) host_now().fail(__FILE__, __LINE__, "a thread of the case came to its end");
  ObDereferenceObject(object_);
}

Counter clamp_calls;
Counter pass_calls;
Counter waiting;

BOUND_CALLBACK_STATUS NTAPI clamp_to_upper() {
  ++clamp_calls;
  set_index(9);
  return BoundExceptionHandled;
}

BOUND_CALLBACK_STATUS NTAPI pass_on() {
  ++pass_calls;
  return BoundExceptionContinueSearch;
}

Signal& released() {
  static Signal it;
  return it;
}
BOUND_CALLBACK_STATUS NTAPI block() {
  ++waiting;
  const bool good = released().wait();
  set_index(9);
  return good ? BoundExceptionHandled : BoundExceptionError;
}

void expect_untouched(HostUnderTest& host, const Raised& raised, const Exception& exception) {
  EXPECT(raised.end == Raised::End::Propagated);
  EXPECT(raised.registers.eax == static_cast<uint32_t>(exception.index));
  EXPECT(raised.registers.ecx == exception.ecx);
  EXPECT(raised.registers.edx == host.bounds_address(0));
  EXPECT(raised.registers.ebx == exception.ebx);
  EXPECT(raised.registers.ebp == exception.ebp);
  EXPECT(raised.registers.esi == exception.esi);
  EXPECT(raised.registers.edi == exception.edi);
  EXPECT(raised.trap == 5);
}

}  // namespace kebound::conformance
