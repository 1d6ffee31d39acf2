// SPDX-License-Identifier: Apache-2.0
#include "hosts/linux_module/native.h"

#include <string.h>

#include "hosts/kernel/user_return.h"
#include "hosts/linux_module/classify.h"
#include "hosts/linux_module/complaints.h"
#include "hosts/linux_module/in_trap.h"
#include "nt/driver_call.h"
#include "nt/report.h"
#include "nt/trap_frame.h"

namespace kebound::linux_module {

namespace {

static_assert(KB_USER_FLAGS == x86::kUserFlags);
constexpr Handle kBeingMade = 1;  // generation 0, which no handle has
constexpr int kInvalid = -22;     // -EINVAL

constinit Native g_natives[2 * kMaxRegistrations];

[[nodiscard]] Native* claim_native() noexcept {
  for (Native& native : g_natives) {
    Handle expected = 0;
    if (native.handle.load(MemoryOrder::Relaxed) == 0 &&
        native.handle.compare_exchange(expected, kBeingMade))
      return &native;
  }
  return nullptr;
}

[[nodiscard]] Native* find_native(Handle handle) noexcept {
  for (Native& native : g_natives) {
    if (native.handle.load(MemoryOrder::Acquire) == handle) return &native;
  }
  return nullptr;
}

// How many sleepable natives there are or are being made: without any, no driver's callback is
// searched for among them.
constinit Atomic<uint32_t> g_sleepable;
constinit Atomic<uint32_t> g_being_made;
constinit Atomic<const Native*> g_by_slot[kMaxRegistrations];  // by the slot of the registration

// The native callback of the registration that the thread is inside; null: it is an NT driver's.
[[nodiscard]] const Native* native_inside(const TaskThread& thread, const void* routine) noexcept {
  const Handle inside = thread.thread.dispatch_context.current();
  // Acquire pairs with the release in made(): without one in the making, all that can be asked are
  // in their places.
  const bool any_being_made = g_being_made.load(MemoryOrder::Acquire) != 0;
  const Native* const native = g_by_slot[inside % kMaxRegistrations].load(MemoryOrder::Acquire);
  if (native != nullptr && native->handle.load(MemoryOrder::Acquire) == inside) return native;
  if (!any_being_made) return nullptr;
  for (const Native& other : g_natives) {
    const Handle handle = other.handle.load(MemoryOrder::Acquire);
    if (handle == inside || (handle == kBeingMade && other.callback == routine)) return &other;
  }
  return nullptr;
}

void made(Native& native, Handle handle) noexcept {
  native.handle.store(handle, MemoryOrder::Release);
  g_by_slot[handle % kMaxRegistrations].store(&native, MemoryOrder::Release);
}

[[nodiscard]] RawAnswer ask_native(TaskThread& thread, const Native& native) {
  // As far as its module knows it is not registered yet.
  if (native.handle.load(MemoryOrder::Relaxed) == kBeingMade) return kAnswerContinueSearch;
  thread.edited = thread.at_fault;
  abi_view(thread.edited).index_corrected = 0;
  kebound_event event;
  fill_abi_event(thread.event, event);
  const RawAnswer answer = call_native(native, event, thread.edited);
  if (answer == kAnswerHandled) {
    keep_native_edits(thread.at_fault, thread.edited);
    nt::fill_trap_frame(thread.edited, *thread.thread.kthread.TrapFrame);
    thread.has_edited = true;
  }
  return answer;
}

void free_native(Native& native) noexcept {
  if (!native.atomic) g_sleepable.fetch_add(~uint32_t{0});
  native.handle.store(0, MemoryOrder::Release);
}

}  // namespace

void keep_native_edits(const x86::Registers& before, x86::Registers& edited) noexcept {
  const x86::Registers shown = edited;
  edited = before;
  if (before.cs == kUserCs64) {
    memcpy(edited.gpr, shown.gpr, sizeof edited.gpr);
    edited.rip = shown.rip;
  } else {
    // 32-bit code has eight registers; what a 64-bit process has in the others stays.
    for (unsigned i = 0; i < 8; ++i) edited.gpr[i] = static_cast<uint32_t>(shown.gpr[i]);
    edited.rip = static_cast<uint32_t>(shown.rip);
  }
  edited.rflags = (before.rflags & ~x86::kUserFlags) | (shown.rflags & x86::kUserFlags);
}

void remove_atomic_callbacks_of(const nt::Image& image) {
  for (Native& native : g_natives) {
    const Handle handle = native.handle.load(MemoryOrder::Acquire);
    if (handle <= kBeingMade || !native.atomic || native.image != &image) continue;
    const auto routine = reinterpret_cast<uint64_t>(native.callback);
    nt::report_violation("registration-left-behind", routine,
                         nt::Facility::describe(routine) +
                             " is still registered while its module unloads; it was removed");
    g_atomic.remove(handle, nullptr);
    free_native(native);
  }
}

void mark_native_removed(Handle handle) noexcept {
  if (Native* const native = find_native(handle)) native->removed.store(1, MemoryOrder::Release);
}

// By now another image may be at the same address: its registrations are live.
void forget_native_callbacks_of(const nt::Image* gone) noexcept {
  Registration live;
  for (Native& native : g_natives) {
    const Handle handle = native.handle.load(MemoryOrder::Acquire);
    if (handle > kBeingMade && native.image == gone && !native.atomic &&
        !nt::Facility::registry().find(handle, live))
      free_native(native);
  }
}

}  // namespace kebound::linux_module

namespace kebound::nt {

RawAnswer call_driver(PBOUND_CALLBACK routine) {
  using namespace linux_module;
  void* const address = reinterpret_cast<void*>(routine);
  if (g_sleepable.load(MemoryOrder::Acquire) != 0) {
    TaskThread& thread = *running_thread();
    if (const Native* native = native_inside(thread, address)) return ask_native(thread, *native);
  }
  return static_cast<RawAnswer>(kb_call_driver(address, nullptr, nullptr, nullptr, nullptr));
}

}  // namespace kebound::nt

using namespace kebound::linux_module;

extern "C" {

uint64_t kebound_register_callback(kebound_module_callback callback, void* context,
                                   unsigned flags) {
  using kebound::nt::Facility;
  const auto routine = reinterpret_cast<uint64_t>(callback);
  const kebound::nt::Image* const image = Facility::image_of(routine);
  if (callback == nullptr || image == nullptr || (flags & ~KEBOUND_MODULE_ATOMIC) != 0) return 0;
  const bool atomic = (flags & KEBOUND_MODULE_ATOMIC) != 0;
  if (!atomic && kb_can_sleep() == 0) return 0;
  Native* const native = claim_native();
  if (native == nullptr) return 0;
  native->callback = callback;
  native->context = context;
  native->image = image;
  native->atomic = atomic;
  native->disabled.store(0, kebound::MemoryOrder::Relaxed);
  native->removed.store(0, kebound::MemoryOrder::Relaxed);
  void* const address = reinterpret_cast<void*>(callback);
  kebound::Handle handle = 0;
  if (atomic) {
    handle = g_atomic.add(address, native, nullptr);
  } else {
    g_sleepable.fetch_add(1);  // before the registration can be asked: pairs with call_driver()
    g_being_made.fetch_add(1);
    handle = Facility::registry().add(address, const_cast<kebound::nt::Image*>(image),
                                      reinterpret_cast<void*>(KEBOUND_CALLER()));
  }
  if (handle == 0) {
    free_native(*native);
  } else if (atomic) {
    native->handle.store(handle, kebound::MemoryOrder::Release);
  } else {
    made(*native, handle);
  }
  if (!atomic) g_being_made.fetch_add(~uint32_t{0}, kebound::MemoryOrder::Release);
  return handle;
}

int kebound_deregister_callback(uint64_t handle) {
  using kebound::DeregisterStatus;
  Native* const native = handle > kBeingMade ? find_native(handle) : nullptr;
  if (native == nullptr) return kInvalid;
  TaskThread* const thread = running_thread();
  const auto outcome =
      native->atomic ? g_atomic.remove(handle, nullptr)
                     : kebound::nt::Facility::registry().remove(
                           handle, thread != nullptr ? &thread->thread.dispatch_context : nullptr);
  // Who lost a race leaves the entry to the winner, who may still wait; after a bug check there is
  // none.
  if (outcome.status == DeregisterStatus::Removed ||
      native->removed.exchange(0, kebound::MemoryOrder::AcqRel) != 0)
    free_native(*native);
  return outcome.status == DeregisterStatus::Removed ? 0 : kInvalid;
}

}  // extern "C"
