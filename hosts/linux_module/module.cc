// SPDX-License-Identifier: Apache-2.0
//
// The beginning and the end of the C++ part, what core/ and nt/ ask of their host, and what the compiler
// asks of a runtime.
#include <time.h>

#include <new>

#include "core/pal.h"
#include "hosts/linux_module/classify.h"
#include "hosts/linux_module/complaints.h"
#include "hosts/linux_module/images.h"
#include "hosts/linux_module/native.h"
#include "hosts/linux_module/settings.h"
#include "hosts/linux_module/threads.h"
#include "nt/report.h"
#include "trap/x86/compiler_trap.h"

namespace kebound {

namespace pal {

void wait_while_equal(const uint64_t* word, uint64_t value) noexcept {
  kb_wait_while_equal(word, value);
}
void wake_all(const uint64_t* word) noexcept { kb_wake_all(word); }
void heavy_barrier() noexcept { kb_heavy_barrier(); }
void relax() noexcept { __builtin_ia32_pause(); }

}  // namespace pal

}  // namespace kebound

using namespace kebound::linux_module;
using kebound::nt::BugCheckCode;
using kebound::nt::raise_bug_check;

void operator delete(void* memory) noexcept { kb_free(memory); }
void operator delete(void* memory, size_t) noexcept { kb_free(memory); }

extern "C" {

// What nt/ takes from the C library.
int clock_gettime(clockid_t clock, timespec* now) noexcept {
  constexpr int64_t kSecond = 1'000'000'000;
  const int64_t ns = clock == CLOCK_MONOTONIC ? kb_monotonic_ns() : kb_realtime_ns();
  now->tv_sec = ns / kSecond;
  now->tv_nsec = ns % kSecond;
  return 0;
}
int nanosleep(const timespec* time, timespec*) {
  kb_sleep_ns(time->tv_sec * int64_t{1'000'000'000} + time->tv_nsec);
  return 0;
}
void abort() noexcept { kb_stop_task(); }

void __cxa_pure_virtual() { kb_stop_task(); }

int kb_start(int windows_profile, uint64_t livelock_limit) {
  constexpr int kNoMemory = -12;  // -ENOMEM
  g_settings.livelock_limit = livelock_limit;
  start_host();
  kebound::nt::Facility::configure(windows_profile != 0 ? kebound::nt::Profile::Windows
                                                        : kebound::nt::Profile::Default);
  if (start_native() && start_classifying()) return 0;
  stop_native();
  return kNoMemory;
}

void kb_stop(void) {
  free_threads();
  free_images();
  kb_free_workplaces();
  stop_classifying();
  stop_native();
}

int kb_kernel_trap(unsigned vector, uint64_t ip, uint64_t* resume_ip) {
  const TaskThread* const thread = running_thread();
  if (thread == nullptr || thread->guard == nullptr || kebound::nt::Facility::image_of(ip) == nullptr)
    return 0;
  if (vector != kVectorInvalidOpcode) return 0;  // 64-bit code has no BOUND
  *resume_ip = reinterpret_cast<uint64_t>(&kb_driver_trap_entry);
  return 1;
}

// CONTRACT, Dispatch: a bound exception in driver code. Another illegal instruction ends it as well.
void kb_driver_trap(uint64_t ip) {
  constexpr uint64_t kIllegalInstruction = 0xC000001D;  // STATUS_ILLEGAL_INSTRUCTION
  kebound::x86::CompilerTrap trap;
  if (!kebound::x86::decode_compiler_trap(reinterpret_cast<const uint8_t*>(ip), 5, trap) ||
      !kebound::x86::is_array_bounds_check(trap)) {
    raise_bug_check(BugCheckCode::KmodeExceptionNotHandled, {.p1 = kIllegalInstruction, .p2 = ip},
                    ip, kebound::nt::Facility::describe(ip) + " executed an illegal instruction");
  }
  raise_bug_check(BugCheckCode::UnexpectedKernelModeTrap, {.p1 = kVectorBound, .p4 = ip}, ip,
                  "a bound exception in driver code at " + kebound::nt::Facility::describe(ip));
}

void kb_driver_fault(uint64_t ip) {
  raise_bug_check(BugCheckCode::PageFaultInNonpagedArea, {.p3 = ip}, ip,
                  "driver code at " + kebound::nt::Facility::describe(ip) +
                      " touched memory that is not there");
}

}  // extern "C"
