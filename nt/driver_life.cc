// SPDX-License-Identifier: Apache-2.0
//
// CONTRACT, Driver life: no callback ever runs in an image that is gone.
#include <time.h>

#include "nt/clock.h"
#include "nt/facility.h"
#include "nt/facility_state.h"
#include "nt/image_list.h"
#include "nt/report.h"

namespace kebound::nt {

namespace {

void remove_left_behind(const Image& image, const Registration& registration) {
  const uint64_t routine = address_of(registration.routine);
  const uint64_t call_site = address_of(registration.call_site);
  const std::string what = Facility::describe(routine) + ", registered at " +
                           Facility::describe(call_site) + ", is still registered while " +
                           image.name + " unloads";
  if (Facility::profile() == Profile::Windows) {
    raise_bug_check(BugCheckCode::DriverUnloadedWithoutCancellingPendingOperations,
                    {routine, 0, call_site, registration.handle}, routine, what);
  }
  report_violation("registration-left-behind", routine, what + "; it was removed");
  Thread* thread = current_thread();
  Facility::registry().remove(registration.handle,
                              thread != nullptr ? &thread->dispatch_context : nullptr);
}

// remove() does not wait for a callback that deregistered itself and still runs; nor do DPCs and
// system threads go through the registry.
void wait_until_nobody_is_inside(const Image* image) {
  constexpr int64_t kPollNs = 1'000'000;
  Thread* const self = current_thread();
  for (Thread* thread = first_attached(); thread != nullptr; thread = thread->next_attached) {
    // System threads are counted on their own: who unloads keeps the image while one runs.
    if (thread == self || thread->is_system_thread) continue;
    while (thread->inside.load(MemoryOrder::Acquire) == image) {
      if (self != nullptr && self->parker != nullptr) {
        self->parker->park(monotonic_ns() + kPollNs);
      } else {
        const timespec pause = {0, kPollNs};
        nanosleep(&pause, nullptr);
      }
    }
  }
}

}  // namespace

void Facility::add_image(Image* image) { list_image(image); }

void Facility::remove_image(Image* image) {
  Registration live[kMaxRegistrations];
  const uint32_t count = registry().list(live);
  for (uint32_t i = 0; i < count; ++i) {
    if (live[i].context == image) remove_left_behind(*image, live[i]);
  }
  wait_until_nobody_is_inside(image);
  unlist_image(image);
}

}  // namespace kebound::nt
