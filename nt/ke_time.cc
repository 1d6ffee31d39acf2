// SPDX-License-Identifier: Apache-2.0
#include <sched.h>
#include <unistd.h>

#include "include/nt/wdm.h"
#include "nt/clock.h"

using namespace kebound::nt;

extern "C" {

VOID KeQuerySystemTimePrecise(PLARGE_INTEGER CurrentTime) { CurrentTime->QuadPart = system_time(); }

ULONG64 KeQueryInterruptTimePrecise(PULONG64 QpcTimeStamp) {
  const auto now = static_cast<ULONG64>(monotonic_ns() / 100);
  *QpcTimeStamp = now;
  return now;
}

LARGE_INTEGER KeQueryPerformanceCounter(PLARGE_INTEGER PerformanceFrequency) {
  if (PerformanceFrequency != nullptr) PerformanceFrequency->QuadPart = 10'000'000;
  LARGE_INTEGER now;
  now.QuadPart = monotonic_ns() / 100;
  return now;
}

ULONG KeQueryTimeIncrement(VOID) { return 156'250; }

VOID KeStallExecutionProcessor(ULONG MicroSeconds) {
  const int64_t end = monotonic_ns() + int64_t{MicroSeconds} * 1000;
  while (monotonic_ns() < end) YieldProcessor();
}

ULONG KeGetCurrentProcessorNumberEx(PPROCESSOR_NUMBER ProcNumber) {
  const int cpu = sched_getcpu();
  const ULONG number = cpu >= 0 ? static_cast<ULONG>(cpu) : 0;
  if (ProcNumber != nullptr) {
    ProcNumber->Group = static_cast<USHORT>(number / 64);
    ProcNumber->Number = static_cast<UCHAR>(number % 64);
    ProcNumber->Reserved = 0;
  }
  return number;
}

ULONG KeQueryActiveProcessorCountEx(USHORT GroupNumber) {
  const long online = sysconf(_SC_NPROCESSORS_ONLN);
  const ULONG count = online > 0 ? static_cast<ULONG>(online) : 1;
  if (GroupNumber == ALL_PROCESSOR_GROUPS) return count;
  const ULONG first = ULONG{GroupNumber} * 64;
  return first >= count ? 0 : (count - first < 64 ? count - first : 64);
}

}  // extern "C"
