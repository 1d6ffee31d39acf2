// SPDX-License-Identifier: Apache-2.0
#include "hosts/inproc/runtime.h"

#include <pthread.h>
#include <stdlib.h>

#include "hosts/inproc/bug_check.h"
#include "hosts/inproc/chain.h"
#include "hosts/inproc/check_trap.h"
#include "hosts/inproc/image.h"
#include "hosts/inproc/machine.h"
#include "hosts/inproc/publish.h"
#include "hosts/inproc/thread_state.h"
#include "hosts/posix/barrier.h"

namespace kebound {

template class BasicRegistry<inproc::System>;

namespace inproc {

const char kNtRoutine = 'N';

constinit Registry g_registry;
constinit Settings g_settings;

namespace {

constinit Atomic<uint32_t> g_started{0};
constinit Atomic<uint32_t> g_exiting{0};
pthread_mutex_t g_start_lock = PTHREAD_MUTEX_INITIALIZER;

// The version with which a size came; 0 for none that was ever.
bool is_known_size(uint32_t size) noexcept { return size == sizeof(kebound_options); }

bool are_valid(const kebound_options& options) noexcept {
  return is_known_size(options.size) && options.profile <= KEBOUND_PROFILE_WINDOWS;
}

kebound_status start_locked(const kebound_options& options) noexcept {
  // What a first deregistration would otherwise find out, when it is too late to refuse.
  if (posix::prepare_barrier() == posix::BarrierMethod::None) return KEBOUND_NOT_SUPPORTED;
  prepare_machine();
  g_settings.profile = static_cast<kebound_profile>(options.profile);
  g_settings.livelock_limit = options.livelock_limit;
  const bool windows = options.profile == KEBOUND_PROFILE_WINDOWS;
  g_registry.configure(windows ? 1 : kMaxRegistrations, 0);
  watch_threads(g_registry);
  atexit([] { g_exiting.store(1, MemoryOrder::Relaxed); });
  if (options.no_alternate_stack == 0 && !ensure_alternate_stack()) return KEBOUND_NO_MEMORY;
  if (!chained_action(SIGSEGV)->take_over(SIGSEGV, signal_entry())) return KEBOUND_NOT_SUPPORTED;
  if (options.no_compiler_traps == 0 &&
      !chained_action(SIGILL)->take_over(SIGILL, signal_entry())) {
    return KEBOUND_NOT_SUPPORTED;
  }
  return KEBOUND_OK;
}

}  // namespace

kebound_status start(const kebound_options* options) noexcept {
  if (options != nullptr && !are_valid(*options)) return KEBOUND_INVALID_ARGUMENT;
  if (g_started.load(MemoryOrder::Acquire) != 0) return KEBOUND_ALREADY;
  const kebound_options defaults = KEBOUND_OPTIONS_INIT;
  pthread_mutex_lock(&g_start_lock);
  kebound_status status = KEBOUND_ALREADY;
  if (g_started.load(MemoryOrder::Relaxed) == 0) {
    status = start_locked(options != nullptr ? *options : defaults);
    if (status == KEBOUND_OK) g_started.store(1, MemoryOrder::Release);
  }
  pthread_mutex_unlock(&g_start_lock);
  return status;
}

Handle add_callback(void* routine, void* context, void* call_site) noexcept {
  const kebound_status status = start(nullptr);
  if (status != KEBOUND_OK && status != KEBOUND_ALREADY) return 0;
  if (routine == nullptr || !is_executable(reinterpret_cast<uintptr_t>(routine))) return 0;
  return g_registry.add(routine, context, call_site);
}

kebound_status remove_callback(Handle handle) noexcept {
  ThreadState* const self = current_thread_state();
  Registration registration;
  const bool known = g_registry.find(handle, registration);
  const DeregisterOutcome outcome =
      g_registry.remove(handle, self != nullptr ? &self->context : nullptr);
  if (outcome.status == DeregisterStatus::InvalidHandle) return KEBOUND_INVALID_HANDLE;
  const uint64_t routine = known ? reinterpret_cast<uintptr_t>(registration.routine) : 0;
  if (outcome.broke_deadlock) {
    Line message;
    message.text("removed by ").place(routine_inside());
    message.text(", which it is removing itself; one of the two was not waited for");
    report_violation("deregistration-deadlock", message.c_str(), routine);
    return KEBOUND_BROKE_DEADLOCK;
  }
  if (outcome.from_inside_itself) {
    report_violation("self-deregistration", "a callback removed itself while it runs", routine);
    return KEBOUND_REMOVED_INSIDE;
  }
  return KEBOUND_OK;
}

uint64_t routine_inside() noexcept {
  const ThreadState* const self = current_thread_state();
  Registration inside;
  if (self == nullptr || !g_registry.find_inside(self->context, inside)) return 0;
  return reinterpret_cast<uintptr_t>(inside.routine);
}

void forget_image(uint64_t address_within) noexcept {
  if (g_started.load(MemoryOrder::Acquire) == 0) return;
  const Image image = image_of(address_within);
  if (!image.found()) return;
  forget_check_traps({image.begin, image.end});
  g_images_gone.fetch_add(1, MemoryOrder::Relaxed);
  Registration live[kMaxRegistrations];
  const uint32_t count = g_registry.list(live);
  for (uint32_t i = 0; i < count; ++i) {
    const uint64_t routine = reinterpret_cast<uintptr_t>(live[i].routine);
    if (!image.contains(routine)) continue;
    // At the end of the process nothing is unmapped any more.
    if (g_exiting.load(MemoryOrder::Relaxed) != 0) return;
    if (g_settings.profile == KEBOUND_PROFILE_WINDOWS) {
      bug_check(
          {kLeftBehind, {image.begin, 0, 0, 0}, routine, "unloaded with a callback registered"});
    }
    Line message;
    message.text("the image goes with a callback registered (from ")
        .place(reinterpret_cast<uintptr_t>(live[i].call_site))
        .text("); removed");
    report_violation("registration-left-behind", message.c_str(), routine);
    ThreadState* const self = current_thread_state();
    g_registry.remove(live[i].handle, self != nullptr ? &self->context : nullptr);
  }
}

}  // namespace inproc
}  // namespace kebound
