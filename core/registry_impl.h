// SPDX-License-Identifier: Apache-2.0
//
// The members of BasicRegistry. Step names (D1, R1, ...) are those of the proof in registry.h.
#pragma once

#include "core/registry.h"

namespace kebound {

template <class System>
void BasicRegistry<System>::configure(uint32_t capacity, uint16_t instance_tag,
                                      uint64_t generations_used) noexcept {
  capacity_ = capacity;
  instance_tag_ = instance_tag;
  // One below the limit is where a registry that has used them all stands.
  generation_.store(generations_used < kGenerationLimit ? generations_used : kGenerationLimit - 1,
                    MemoryOrder::Relaxed);
}

template <class System>
void BasicRegistry<System>::attach(Context& context) noexcept {
  Context* head = contexts_.load(MemoryOrder::Relaxed);
  do {
    context.next_.store(head, MemoryOrder::Relaxed);
    // seq_cst, pairs with R3's load of contexts_: a walk that misses this context comes before its
    // D1 and D5, which then see the walk's R1. Release for next_: pairs with the same load.
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
  const Handle handle =
      uint64_t{instance_tag_} << (kSlotBits + kGenerationBits) | generation << kSlotBits | index;
  Slot& slot = slots_[index];
  // Releases, pair with read_slot's acquires: who sees one of these sees that the last tenant's id
  // is gone.
  slot.routine.store(routine, MemoryOrder::Release);
  slot.context.store(context, MemoryOrder::Release);
  slot.call_site.store(call_site, MemoryOrder::Release);
  slot.id.store(handle, MemoryOrder::Release);  // pairs with read_slot's first acquire
  version_.fetch_add(1, MemoryOrder::Release);  // pairs with D2's acquire of version_
  return handle;
}

template <class System>
bool BasicRegistry<System>::read_slot(uint32_t index, Registration& out) const noexcept {
  const Slot& slot = slots_[index];
  const uint64_t before = slot.id.load(MemoryOrder::Acquire);  // pairs with add's release of id
  if (before == 0) return false;
  // Acquires, pair with add's releases: one that reads a later tenant's value makes the second look
  // at id see that the first tenant is gone, because a slot is refilled only after R1 and R2.
  out.routine = slot.routine.load(MemoryOrder::Acquire);
  out.context = slot.context.load(MemoryOrder::Acquire);
  out.call_site = slot.call_site.load(MemoryOrder::Acquire);
  out.handle = before;
  return slot.id.load(MemoryOrder::Relaxed) == before;
}

template <class System>
void BasicRegistry<System>::insert_newest_first(Registration* order, uint32_t count,
                                                const Registration& registration) noexcept {
  const uint64_t key = generation_of(registration.handle);
  uint32_t place = count;
  for (; place > 0 && generation_of(order[place - 1].handle) < key; --place) {
    order[place] = order[place - 1];
  }
  order[place] = registration;
}

template <class System>
void BasicRegistry<System>::refresh_order(Context& self, uint64_t version) noexcept {
  uint32_t count = 0;
  // What version_'s acquire made visible is in used_ as well: add sets the bit before it fills the
  // slot.
  for (uint64_t used = used_.load(MemoryOrder::Relaxed); used != 0; used &= used - 1) {
    Registration found;
    if (!read_slot(static_cast<uint32_t>(__builtin_ctzll(used)), found)) continue;
    insert_newest_first(self.order_, count++, found);
  }
  self.count_ = count;
  self.version_ = version;
}

// D6. Also for a callback that was skipped: its deregistration may have seen D3 and be asleep, and
// must not have to wait for the next one's callback.
template <class System>
void BasicRegistry<System>::leave_callback(Context& self) noexcept {
  self.current_.store(0, MemoryOrder::Release);  // pairs with R5
  System::light_barrier();  // current_ before waiters_: pairs with the heavy barrier in
                            // wait_until_left
  if (self.waiters_.load(MemoryOrder::Relaxed) != 0) System::wake_all(self.current_);
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
    const Registration& entry = self.order_[i];
    self.current_.store(entry.handle, MemoryOrder::Release);  // D3, pairs with R5 through R4
    System::light_barrier();                                  // D4, pairs with R4
    // D5. seq_cst, pairs with R1: after D1 it must not see a slot alive that R1 ended before R3 saw
    // us idle.
    if (slots_[slot_of(entry.handle)].id.load(MemoryOrder::SeqCst) != entry.handle) {
      leave_callback(self);
      continue;
    }
    const RawAnswer answer = ask(entry);
    leave_callback(self);
    ++outcome.asked;
    if (answer == kAnswerContinueSearch) continue;
    outcome.answer = answer;
    outcome.decided_by = entry;
    outcome.verdict = answer == kAnswerHandled ? Verdict::Handled
                      : answer == kAnswerError ? Verdict::Error
                                               : Verdict::InvalidAnswer;
    break;
  }
  self.active_.store(0, MemoryOrder::Release);  // D7, pairs with R3
  return outcome;
}

template <class System>
DeregisterOutcome BasicRegistry<System>::remove(Handle handle, Context* self) noexcept {
  DeregisterOutcome outcome;
  Slot& slot = slots_[slot_of(handle)];
  // No live slot has id 0, but a free one has. The look before the CAS keeps those who hammer us
  // with garbage from taking the slot's line away from dispatch.
  if (handle == 0 || slot.id.load(MemoryOrder::Relaxed) != handle) return outcome;
  // R1. Exactly one of racing calls wins; a loser returns at once.
  uint64_t expected = handle;
  if (!slot.id.compare_exchange(expected, 0, MemoryOrder::SeqCst)) return outcome;
  outcome.status = DeregisterStatus::Removed;
  version_.fetch_add(1, MemoryOrder::Release);                               // pairs with D2
  used_.fetch_and(~(uint64_t{1} << slot_of(handle)), MemoryOrder::Release);  // R2, pairs with add
  drain(handle, self, outcome);
  return outcome;
}

template <class System>
bool BasicRegistry<System>::others_dispatch(const Context* self) const noexcept {
  for (const Context* c = contexts_.load(MemoryOrder::SeqCst); c != nullptr;
       c = c->next_.load(MemoryOrder::Relaxed)) {
    if (c != self && c->active_.load(MemoryOrder::SeqCst) != 0)
      return true;  // R3, pairs with D1, D7
  }
  return false;
}

template <class System>
void BasicRegistry<System>::drain(Handle handle, Context* self,
                                  DeregisterOutcome& outcome) noexcept {
  const Handle inside = self != nullptr ? self->current_.load(MemoryOrder::Relaxed) : 0;
  outcome.from_inside_itself = inside == handle;
  if (!others_dispatch(self)) return;
  System::heavy_barrier();  // R4, pairs with D4

  // Only a thread inside a callback can be waited for; and nobody but us removes `handle`.
  const bool could_deadlock = inside != 0 && inside != handle;
  bool announced = false;
  const Context* excused = nullptr;
  for (Context* c = contexts_.load(MemoryOrder::SeqCst); c != nullptr;
       c = c->next_.load(MemoryOrder::Relaxed)) {
    if (c == self || c->current_.load(MemoryOrder::Acquire) != handle)
      continue;  // R5, pairs with D3, D6
    if (could_deadlock && !announced) {
      excused = announce_wait(*self, handle, outcome);
      announced = true;
    }
    if (c != excused) wait_until_left(*c, handle);
  }
  if (announced) {
    lock_waits();
    self->waiting_for_.store(0, MemoryOrder::Relaxed);
    unlock_waits();
  }
}

// Sleeps until the thread is out of the callback; it cannot come back, because the registration is
// dead.
template <class System>
void BasicRegistry<System>::wait_until_left(Context& thread, Handle handle) noexcept {
  for (unsigned spin = 0; spin < System::kSpins; ++spin) {
    if (thread.current_.load(MemoryOrder::Acquire) != handle) return;  // pairs with D3, D6
    System::relax();
  }
  thread.waiters_.fetch_add(1, MemoryOrder::SeqCst);
  System::heavy_barrier();  // waiters_ before current_: pairs with the light barrier in
                            // leave_callback
  while (thread.current_.load(MemoryOrder::Acquire) == handle) {  // pairs with D3, D6
    System::wait_while_equal(thread.current_, handle);
  }
  thread.waiters_.fetch_add(~uint32_t{0}, MemoryOrder::Relaxed);
}

// Says that self, inside a callback, waits for all that run `handle`, and returns the one among
// them that waits for self (over others perhaps) if there is one. Both under one lock: of the waits
// that close a cycle exactly the last one sees it closed. One search will do: nobody enters
// `handle` any more, and a thread inside it that starts to wait later finds us announced.
template <class System>
auto BasicRegistry<System>::announce_wait(Context& self, Handle handle,
                                          DeregisterOutcome& outcome) noexcept -> const Context* {
  lock_waits();
  self.waiting_for_.store(handle, MemoryOrder::Relaxed);
  const Context* closing = find_cycle(self, handle);
  if (closing != nullptr) {
    outcome.broke_deadlock = true;
    outcome.deadlocked_with = closing->waiting_for_.load(MemoryOrder::Relaxed);
  }
  unlock_waits();
  return closing;
}

// A thread is inside one callback, and a registration has one remover: at most one thread waits for
// a given thread. So the waiters behind self form a line, and there is a cycle if somebody in it
// runs `handle`. Called with the waits lock held: whoever has announced a wait stands still until
// it takes the lock again.
template <class System>
auto BasicRegistry<System>::find_cycle(const Context& self, Handle handle) const noexcept
    -> const Context* {
  const Context* waited_for = &self;
  // The line may run into a cycle that was broken before and has not dissolved yet; it is not
  // longer than the list of contexts.
  for (const Context* bound = contexts_.load(MemoryOrder::SeqCst); bound != nullptr;
       bound = bound->next_.load(MemoryOrder::Relaxed)) {
    const Context* waiter = waiter_for(waited_for->current_.load(MemoryOrder::Relaxed));
    if (waiter == nullptr) return nullptr;
    if (waiter->current_.load(MemoryOrder::Relaxed) == handle) return waiter;
    waited_for = waiter;
  }
  return nullptr;
}

template <class System>
auto BasicRegistry<System>::waiter_for(Handle handle) const noexcept -> const Context* {
  for (const Context* c = contexts_.load(MemoryOrder::SeqCst); c != nullptr;
       c = c->next_.load(MemoryOrder::Relaxed)) {
    if (c->waiting_for_.load(MemoryOrder::Relaxed) == handle) return c;
  }
  return nullptr;
}

template <class System>
void BasicRegistry<System>::lock_waits() noexcept {
  uint64_t expected = 0;
  if (waits_lock_.compare_exchange(expected, 1, MemoryOrder::Acquire))
    return;  // pairs with unlock_waits
  while (waits_lock_.exchange(2, MemoryOrder::Acquire) != 0)
    System::wait_while_equal(waits_lock_, 2);
}

template <class System>
void BasicRegistry<System>::unlock_waits() noexcept {
  if (waits_lock_.exchange(0, MemoryOrder::Release) == 2) System::wake_all(waits_lock_);
}

template <class System>
void BasicRegistry<System>::abandon(Context& self) noexcept {
  if (!self.dispatching()) return;
  leave_callback(self);
  self.active_.store(0, MemoryOrder::Release);  // D7, pairs with R3
}

template <class System>
void BasicRegistry<System>::forget_other_threads(Context* self) noexcept {
  for (Context* c = contexts_.load(MemoryOrder::Relaxed); c != nullptr;
       c = c->next_.load(MemoryOrder::Relaxed)) {
    c->waiters_.store(0, MemoryOrder::Relaxed);
    c->waiting_for_.store(0, MemoryOrder::Relaxed);
    if (c == self) continue;
    c->current_.store(0, MemoryOrder::Relaxed);
    c->active_.store(0, MemoryOrder::Relaxed);
    c->release();
  }
  waits_lock_.store(0, MemoryOrder::Relaxed);
  // A slot that is taken and has no id belonged to a thread between taking and filling it, or
  // between R1 and R2.
  uint64_t live = 0;
  for (uint32_t index = 0; index < kMaxRegistrations; ++index) {
    if (slots_[index].id.load(MemoryOrder::Relaxed) != 0) live |= uint64_t{1} << index;
  }
  used_.store(live, MemoryOrder::Relaxed);
  version_.fetch_add(1, MemoryOrder::Release);  // pairs with D2
}

template <class System>
bool BasicRegistry<System>::find_inside(const Context& self, Registration& out) const noexcept {
  const Handle inside = self.current_.load(MemoryOrder::Relaxed);
  for (uint32_t i = 0; inside != 0 && i < self.count_; ++i) {
    if (self.order_[i].handle != inside) continue;
    out = self.order_[i];
    return true;
  }
  return false;
}

template <class System>
bool BasicRegistry<System>::find(Handle handle, Registration& out) const noexcept {
  Registration found;
  if (handle == 0 || !read_slot(slot_of(handle), found) || found.handle != handle) return false;
  out = found;
  return true;
}

template <class System>
uint32_t BasicRegistry<System>::list(Registration (&out)[kMaxRegistrations]) const noexcept {
  uint32_t count = 0;
  for (uint32_t index = 0; index < kMaxRegistrations; ++index) {
    Registration found;
    if (read_slot(index, found)) insert_newest_first(out, count++, found);
  }
  return count;
}

}  // namespace kebound
