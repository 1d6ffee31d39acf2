// SPDX-License-Identifier: Apache-2.0
//
// KeRegisterBoundCallback and KeDeregisterBoundCallback: CONTRACT, Register and Deregister.
#include <mutex>

#include "include/nt/kebound_nt/loader_entry.h"
#include "include/nt/wdm.h"
#include "nt/facility.h"
#include "nt/report.h"
#include "nt/thread.h"

namespace kebound::nt {

namespace {

static_assert(kAnswerContinueSearch == BoundExceptionContinueSearch &&
              kAnswerHandled == BoundExceptionHandled && kAnswerError == BoundExceptionError &&
              kAnswerMaximum == BoundExceptionMaximum);

// Deregistrations made inside a callback, while they run: who is told of a deadlock wants the names
// of both, and the other's registration is dead by then.
struct Removal {
  Registration registration;
  Removal* next = nullptr;
};
constinit std::mutex g_removals_mutex;
constinit Removal* g_removals = nullptr;

class ScopedRemoval {
 public:
  explicit ScopedRemoval(const Registration& registration) : entry_{registration, nullptr} {
    const std::lock_guard lock(g_removals_mutex);
    entry_.next = g_removals;
    g_removals = &entry_;
  }
  ScopedRemoval(const ScopedRemoval&) = delete;
  ScopedRemoval& operator=(const ScopedRemoval&) = delete;
  ~ScopedRemoval() {
    const std::lock_guard lock(g_removals_mutex);
    Removal** link = &g_removals;
    while (*link != &entry_) link = &(*link)->next;
    *link = entry_.next;
  }

 private:
  Removal entry_;
};

std::string describe_removed(Handle handle) {
  void* routine = nullptr;
  {
    const std::lock_guard lock(g_removals_mutex);
    for (const Removal* removal = g_removals; removal != nullptr; removal = removal->next) {
      if (removal->registration.handle == handle) routine = removal->registration.routine;
    }
  }
  return routine != nullptr ? Facility::describe(address_of(routine))
                            : "the callback with handle " + hex(handle);
}

[[nodiscard]] bool refuse_irql(const Thread* thread, const char* routine, uint64_t caller) {
  if (thread == nullptr || thread->irql <= APC_LEVEL) return false;
  report_violation("irql", caller,
                   std::string(routine) + " was called at IRQL " + std::to_string(thread->irql) +
                       " from " + Facility::describe(caller) +
                       "; it needs IRQL <= APC_LEVEL and was refused");
  return true;
}

[[nodiscard]] bool has_integrity_flag(const Image& image) noexcept {
  const auto* entry = static_cast<const KEBOUND_LOADER_ENTRY*>(image.loader_entry);
  return entry == nullptr || (entry->Flags & KEBOUND_LOADER_INTEGRITYCHECK) != 0;
}

PVOID register_callback(PBOUND_CALLBACK routine, uint64_t caller) {
  if (refuse_irql(current_thread(), "KeRegisterBoundCallback", caller)) return nullptr;
  if (routine == nullptr) return nullptr;
  const Image* image = Facility::image_of(reinterpret_cast<uint64_t>(routine));
  if (image == nullptr) return nullptr;
  if (Facility::profile() == Profile::Windows && !has_integrity_flag(*image)) return nullptr;
  const Handle handle = Facility::registry().add(
      reinterpret_cast<void*>(routine), const_cast<Image*>(image), reinterpret_cast<void*>(caller));
  return reinterpret_cast<PVOID>(handle);
}

NTSTATUS deregister_callback(Handle handle, uint64_t caller) {
  Thread* const thread = current_thread();
  if (refuse_irql(thread, "KeDeregisterBoundCallback", caller)) return STATUS_UNSUCCESSFUL;
  Registry& registry = Facility::registry();
  DispatchContext* const self = thread != nullptr ? &thread->dispatch_context : nullptr;
  const Handle own = self != nullptr ? self->current() : 0;
  if (own == 0) {
    const DeregisterOutcome outcome = registry.remove(handle, self);
    return outcome.status == DeregisterStatus::Removed ? STATUS_SUCCESS : STATUS_INVALID_HANDLE;
  }

  Registration registration;
  if (!registry.find(handle, registration)) return STATUS_INVALID_HANDLE;
  Registration inside;
  const bool inside_known = registry.find(own, inside);
  const ScopedRemoval removal(registration);
  const DeregisterOutcome outcome = registry.remove(handle, self);
  if (outcome.status != DeregisterStatus::Removed) return STATUS_INVALID_HANDLE;
  const uint64_t routine = address_of(registration.routine);
  if (outcome.from_inside_itself) {
    report_violation(
        "self-deregistration", routine,
        Facility::describe(routine) + " deregistered itself while it ran; Windows deadlocks here");
  }
  if (outcome.broke_deadlock) {
    report_violation(
        "deregistration-deadlock", routine,
        (inside_known ? Facility::describe(address_of(inside.routine)) : describe_removed(own)) +
            " deregisters " + Facility::describe(routine) +
            ", which runs on a thread that is deregistering " +
            describe_removed(outcome.deadlocked_with) +
            ": each waits for the other; this wait was given up");
  }
  return STATUS_SUCCESS;
}

}  // namespace

}  // namespace kebound::nt

extern "C" {

PVOID KeRegisterBoundCallback(PBOUND_CALLBACK CallbackRoutine) {
  return kebound::nt::register_callback(CallbackRoutine, KEBOUND_CALLER());
}

NTSTATUS KeDeregisterBoundCallback(PVOID Handle) {
  return kebound::nt::deregister_callback(reinterpret_cast<kebound::Handle>(Handle),
                                          KEBOUND_CALLER());
}

}  // extern "C"
