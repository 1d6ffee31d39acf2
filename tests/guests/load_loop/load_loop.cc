// SPDX-License-Identifier: Apache-2.0
//
// load_loop REPAIR.so PASSER.so REPORT PROGRAM [ARGUMENT...]: runs the program under the first
// driver while a system thread loads and unloads the second one, again and again. What kebound run
// cannot be told to do from outside.
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>

#include "hosts/driver/native_driver.h"
#include "hosts/supervisor/supervisor.h"
#include "include/nt/ntddk.h"
#include "nt/facility.h"
#include "report/reporter.h"

namespace {

using kebound::driver::LoadError;
using kebound::driver::NativeDriver;
using kebound::supervisor::Supervisor;

template <class Fn>
bool as_driver_code(Supervisor& supervisor, Fn&& fn) {
  return supervisor.run_driver_code(
      [](void* argument) { (*static_cast<std::remove_reference_t<Fn>*>(argument))(); }, &fn);
}

std::atomic<bool> g_stop{false};
std::string g_second_path;
kebound::events::Sink* g_sink = nullptr;
int g_failed_loads = 0;

VOID NTAPI load_and_unload(PVOID /*context*/) {
  while (!g_stop) {
    LoadError error;
    std::unique_ptr<NativeDriver> second = NativeDriver::load(g_second_path, error);
    if (second == nullptr) {
      fprintf(stderr, "load_loop: %s: %s\n", g_second_path.c_str(), error.why.c_str());
      ++g_failed_loads;
      break;
    }
    g_sink->accept(kebound::events::DriverLoaded{0, second->name(), g_second_path});
    // Long enough for the program to meet it.
    LARGE_INTEGER moment;
    moment.QuadPart = -30'000;
    KeDelayExecutionThread(KernelMode, FALSE, &moment);
    if (!second->unload()) ++g_failed_loads;
    g_sink->accept(kebound::events::DriverUnloaded{0, second->name()});
  }
  PsTerminateSystemThread(STATUS_SUCCESS);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) return 125;
  g_second_path = argv[2];
  const int fd = open(argv[3], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return 125;
  kebound::report::Options report;
  report.format = kebound::report::Format::Jsonl;
  report.fd = fd;
  kebound::report::Reporter reporter(report);
  g_sink = &reporter;
  kebound::nt::Facility::configure(kebound::nt::Profile::Default);
  kebound::supervisor::Options options;
  options.sink = &reporter;
  Supervisor supervisor(options);

  std::unique_ptr<NativeDriver> first;
  LoadError error;
  PVOID thread = nullptr;
  const bool started = as_driver_code(supervisor, [&] {
    first = NativeDriver::load(argv[1], error);
    HANDLE handle = nullptr;
    if (!first || !NT_SUCCESS(PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, nullptr, nullptr,
                                                   nullptr, load_and_unload, nullptr))) {
      return;
    }
    if (!NT_SUCCESS(ObReferenceObjectByHandle(handle, THREAD_ALL_ACCESS, nullptr, KernelMode,
                                              &thread, nullptr))) {
      thread = nullptr;
    }
    ZwClose(handle);
  });
  if (!started || thread == nullptr) {
    fprintf(stderr, "load_loop: %s: %s\n", argv[1], error.why.c_str());
    return 124;
  }
  kebound::supervisor::LaunchSpec spec;
  spec.program = argv[4];
  for (int i = 4; i < argc; ++i) spec.arguments.emplace_back(argv[i]);
  const kebound::supervisor::Outcome outcome = supervisor.run(spec);
  g_stop = true;
  const bool unloaded = as_driver_code(supervisor, [&] {
    KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, nullptr);
    ObDereferenceObject(thread);
    first->unload();
  });
  if (!unloaded || !reporter.finish().ok) return 125;
  if (outcome.kind != kebound::supervisor::Outcome::Kind::Exited) return 123;
  return g_failed_loads != 0 ? 124 : outcome.status;
}
