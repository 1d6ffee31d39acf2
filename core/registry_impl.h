// SPDX-License-Identifier: Apache-2.0
//
// The members of BasicRegistry. Step names (D1, R1, ...) are those of the proof in registry.h.
#pragma once

#include "core/registry.h"

namespace kebound {

template <class System>
void BasicRegistry<System>::configure(uint32_t capacity, uint16_t instance_tag) noexcept {
  capacity_ = capacity;
  instance_tag_ = instance_tag;
}

template <class System>
void BasicRegistry<System>::attach(Context& context) noexcept {
  Context* head = contexts_.load(MemoryOrder::Relaxed);
  do {
    context.next_.store(head, MemoryOrder::Relaxed);
    // seq_cst: a context that dispatches after this is seen by every R3 that follows the R1 it could miss.
  } while (!contexts_.compare_exchange(head, &context, MemoryOrder::SeqCst));
}

template <class System>
Handle BasicRegistry<System>::add(void* routine, void* context, void* call_site) noexcept {
  if (routine == nullptr) return 0;
  uint64_t used = used_.load(MemoryOrder::Relaxed);
  uint32_t index;
  do {
    const uint64_t free = ~used & slots_mask();
    if (free == 0) return 0;
    index = static_cast<uint32_t>(__builtin_ctzll(free));
    // Acquire pairs with the release in R2: the slot's last tenant is gone before we fill it.
  } while (!used_.compare_exchange(used, used | (uint64_t{1} << index), MemoryOrder::AcqRel));

  const uint64_t generation = generation_.fetch_add(1, MemoryOrder::Relaxed) + 1;
  if (generation >= kGenerationLimit) {
    generation_.fetch_add(~uint64_t{0}, MemoryOrder::Relaxed);  // stay at the limit for ever
    used_.fetch_and(~(uint64_t{1} << index), MemoryOrder::Release);
    return 0;
  }
  const Handle handle = uint64_t{instance_tag_} << (kSlotBits + kGenerationBits) |
                        generation << kSlotBits | index;
  Slot& slot = slots_[index];
  slot.routine.store(routine, MemoryOrder::Relaxed);
  slot.context.store(context, MemoryOrder::Relaxed);
  slot.call_site.store(call_site, MemoryOrder::Relaxed);
  slot.id.store(handle, MemoryOrder::Release);     // pairs with read_slot's acquire
  version_.fetch_add(1, MemoryOrder::Release);     // pairs with dispatch's acquire of version_
  return handle;
}

template <class System>
bool BasicRegistry<System>::read_slot(uint32_t index, Registration& out) const noexcept {
  const Slot& slot = slots_[index];
  const uint64_t before = slot.id.load(MemoryOrder::Acquire);  // pairs with add's release of id
  if (before == 0) return false;
  // Acquire keeps these loads before the second look at id; a slot that was refilled meanwhile has
  // another id, because the refill is ordered after R1's change of id.
  out.routine = slot.routine.load(MemoryOrder::Acquire);
  out.context = slot.context.load(MemoryOrder::Acquire);
  out.call_site = slot.call_site.load(MemoryOrder::Acquire);
  out.handle = before;
  return slot.id.load(MemoryOrder::Relaxed) == before;
}

template <class System>
void BasicRegistry<System>::refresh_order(Context& self, uint64_t version) noexcept {
  uint32_t count = 0;
  uint64_t used = used_.load(MemoryOrder::Acquire);
  while (used != 0) {
    const auto index = static_cast<uint32_t>(__builtin_ctzll(used));
    used &= used - 1;
    typename Context::Entry entry;
    entry.slot = index;
    if (!read_slot(index, entry.registration)) continue;
    // Insertion sort, newest (greatest generation) first.
    uint32_t place = count++;
    const uint64_t key = entry.registration.handle >> kSlotBits;
    for (; place > 0 && self.order_[place - 1].registration.handle >> kSlotBits < key; --place) {
      self.order_[place] = self.order_[place - 1];
    }
    self.order_[place] = entry;
  }
  self.count_ = count;
  self.version_ = version;
}

template <class System>
template <class Asker>
DispatchOutcome BasicRegistry<System>::dispatch(Context& self, Asker&& ask) noexcept {
  DispatchOutcome outcome;
  self.active_.exchange(1, MemoryOrder::SeqCst);  // D1, pairs with R3
  // D2. Acquire pairs with the release that follows each change of a slot: who sees the new version
  // sees the change. A stale order costs nothing but the check at D5.
  const uint64_t version = version_.load(MemoryOrder::Acquire);
  if (version != self.version_) refresh_order(self, version);
  for (uint32_t i = 0; i < self.count_; ++i) {
    const typename Context::Entry& entry = self.order_[i];
    const Handle handle = entry.registration.handle;
    self.current_.store(handle, MemoryOrder::Relaxed);  // D3, pairs with R5 through R4
    System::light_barrier();                            // D4
    if (slots_[entry.slot].id.load(MemoryOrder::Acquire) != handle) continue;  // D5
    const RawAnswer answer = ask(entry.registration);
    ++outcome.asked;
    if (answer == kAnswerContinueSearch) {
      // D6 for this callback. The store of the next D3 would do for R5, but a waiter has to be woken.
      self.current_.store(0, MemoryOrder::Release);
      System::light_barrier();  // current_ before waiters_: pairs with the heavy barrier in drain()
      if (self.waiters_.load(MemoryOrder::Relaxed) != 0) System::wake_all(self.current_);
      continue;
    }
    outcome.answer = answer;
    outcome.decided_by = entry.registration;
    outcome.verdict = answer == kAnswerHandled ? Verdict::Handled
                      : answer == kAnswerError ? Verdict::Error
                                               : Verdict::InvalidAnswer;
    break;
  }
  self.current_.store(0, MemoryOrder::Release);  // D6
  System::light_barrier();
  if (self.waiters_.load(MemoryOrder::Relaxed) != 0) System::wake_all(self.current_);
  self.active_.store(0, MemoryOrder::Release);  // D7
  return outcome;
}

template <class System>
DeregisterOutcome BasicRegistry<System>::remove(Handle handle, Context* self) noexcept {
  DeregisterOutcome outcome;
  const uint32_t index = handle & (kMaxRegistrations - 1);
  uint64_t expected = handle;
  // R1. Exactly one of racing calls wins; a loser returns at once. No live slot has id 0.
  if (handle == 0 || !slots_[index].id.compare_exchange(expected, 0, MemoryOrder::SeqCst)) {
    return outcome;
  }
  outcome.status = DeregisterStatus::Removed;
  version_.fetch_add(1, MemoryOrder::Release);
  used_.fetch_and(~(uint64_t{1} << index), MemoryOrder::Release);  // R2, pairs with add's acquire
  drain(handle, self, outcome);
  return outcome;
}

template <class System>
void BasicRegistry<System>::drain(Handle handle, Context* self, DeregisterOutcome& outcome) noexcept {
  outcome.from_inside_itself = self != nullptr && self->current_.load(MemoryOrder::Relaxed) == handle;

  bool somebody_active = false;
  for (Context* c = contexts_.load(MemoryOrder::SeqCst); c != nullptr;
       c = c->next_.load(MemoryOrder::Relaxed)) {
    if (c != self && c->active_.load(MemoryOrder::SeqCst) != 0) {  // R3
      somebody_active = true;
      break;
    }
  }
  if (!somebody_active) return;
  System::heavy_barrier();  // R4

  const Handle self_current = self != nullptr ? self->current_.load(MemoryOrder::Relaxed) : 0;
  bool announced = false;
  for (Context* c = contexts_.load(MemoryOrder::SeqCst); c != nullptr;
       c = c->next_.load(MemoryOrder::Relaxed)) {
    if (c == self || c->current_.load(MemoryOrder::Acquire) != handle) continue;  // R5, pairs with D6
    if (self_current != 0) {
      // Inside a callback: whoever waits for ours may be the one we are about to wait for. The edge is
      // announced and the graph searched under one lock, so that of the waits that close a cycle
      // exactly one sees it closed. New edges come only from new waits: handle is dead, nobody enters it.
      lock_waits();
      if (!announced) {
        self->waiting_for_.store(handle, MemoryOrder::Relaxed);
        announced = true;
      }
      const bool deadlock = waits_for(*c, *self, self_current, 0);
      if (deadlock) {
        outcome.broke_deadlock = true;
        outcome.deadlocked_with = c->waiting_for_.load(MemoryOrder::Relaxed);
      }
      unlock_waits();
      if (deadlock) continue;
    }
    c->waiters_.fetch_add(1, MemoryOrder::SeqCst);
    System::heavy_barrier();  // waiters_ before current_: pairs with the light barrier after D6
    while (c->current_.load(MemoryOrder::Acquire) == handle) {
      System::wait_while_equal(c->current_, handle);
    }
    c->waiters_.fetch_add(~uint32_t{0}, MemoryOrder::Relaxed);
  }
  if (announced) {
    lock_waits();
    self->waiting_for_.store(0, MemoryOrder::Relaxed);
    unlock_waits();
  }
}

// True when `thread`, inside the callback that self wants gone, waits (over others perhaps) for the
// callback that self is inside. Called with the waits lock held, so that all edges stand still. The depth
// bound stops at a cycle that self is no part of: at most capacity registrations are dying at once
// in a simple path that matters.
template <class System>
bool BasicRegistry<System>::waits_for(const Context& thread, const Context& self, Handle self_current,
                                      uint32_t depth) const noexcept {
  const Handle target = thread.waiting_for_.load(MemoryOrder::Relaxed);
  if (target == 0 || depth > kMaxRegistrations) return false;
  if (target == self_current) return true;
  for (Context* c = contexts_.load(MemoryOrder::SeqCst); c != nullptr;
       c = c->next_.load(MemoryOrder::Relaxed)) {
    if (c == &self || c == &thread || c->current_.load(MemoryOrder::Relaxed) != target) continue;
    if (waits_for(*c, self, self_current, depth + 1)) return true;
  }
  return false;
}

template <class System>
void BasicRegistry<System>::lock_waits() noexcept {
  uint64_t expected = 0;
  if (waits_lock_.compare_exchange(expected, 1, MemoryOrder::Acquire)) return;
  while (waits_lock_.exchange(2, MemoryOrder::Acquire) != 0) System::wait_while_equal(waits_lock_, 2);
}

template <class System>
void BasicRegistry<System>::unlock_waits() noexcept {
  if (waits_lock_.exchange(0, MemoryOrder::Release) == 2) System::wake_all(waits_lock_);
}

template <class System>
bool BasicRegistry<System>::find(Handle handle, Registration& out) const noexcept {
  return handle != 0 && read_slot(handle & (kMaxRegistrations - 1), out) && out.handle == handle;
}

template <class System>
uint32_t BasicRegistry<System>::list(Registration (&out)[kMaxRegistrations]) const noexcept {
  uint32_t count = 0;
  for (uint32_t index = 0; index < kMaxRegistrations; ++index) {
    Registration found;
    if (!read_slot(index, found)) continue;
    uint32_t place = count++;
    for (; place > 0 && out[place - 1].handle >> kSlotBits < found.handle >> kSlotBits; --place) {
      out[place] = out[place - 1];
    }
    out[place] = found;
  }
  return count;
}

}  // namespace kebound
