// SPDX-License-Identifier: Apache-2.0
//
// The registry of bound callbacks: registration, dispatch and rundown. Freestanding, lock-free,
// valid when zeroed, all memory caller-owned. docs/memory-model.md has the proof at length; the
// sketch:
//
//   Every thread that dispatches owns a DispatchContext, on cache lines of its own; a context runs
//   at most one callback at a time, because a bound exception inside a callback is never
//   dispatched. A registration is an id, unique for the life of the registry, in one of `capacity`
//   slots.
//
//   dispatch                                   deregister(h)
//     D1 active = 1              (seq_cst RMW)   R1 slot.id: h -> 0       (seq_cst CAS; the winner)
//     D2 order[] = slots, newest first           R2 slot is free for a new registration
//     for each entry e:                          R3 for each context c != self:    (seq_cst load)
//       D3 current = e.id        (release)            c.active == 0  -> nothing to wait for
//       D4 light barrier                         R4 heavy barrier, once, if somebody is active
//       D5 slot.id == e.id ? call : skip         R5 while c.current == h: wait     (acquire load)
//                                (seq_cst load)
//       D6 current = 0           (release), and wake whoever waits, called or skipped
//     D7 active = 0              (release)
//
//   D1/D5 against R1/R3 is Dekker's pattern on seq_cst operations: if R3 sees active == 0, every
//   later D5 sees the slot dead. D3/D5 against R1/R5 is the same pattern with the cost moved to the
//   deregistering side: the heavy barrier R4 happens either before D3, then D5 sees the dead slot
//   and skips, or after it, then R5 sees current == h or what replaced it, and waits for D6. Ids
//   are never reused, so a new tenant of the slot is never mistaken for the old one on either side.
//   D3 and D6 are releases, so that whatever R5 reads once h is left, the callback happened before
//   it. Dispatch takes no lock, loops over at most `capacity` entries and never waits: it is
//   wait-free.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/annotations.h"
#include "core/status.h"
#include "core/system.h"

namespace kebound {

// A registration's name: never 0, never the same twice, compared and never dereferenced.
// Bits 0..5 slot, 6..47 generation, 48..63 the instance tag of the registry. A System whose handles
// travel in 32-bit pointers says kGenerationBits = 26 and has no tags: bits 6..31 generation.
using Handle = uint64_t;

inline constexpr size_t kMaxRegistrations = 64;
inline constexpr size_t kCacheLine = 64;

// What a registration is made of. `routine` is called by the asker that dispatch() is given;
// `context` and `call_site` are the registrar's to use.
struct Registration {
  Handle handle = 0;
  void* routine = nullptr;
  void* context = nullptr;
  void* call_site = nullptr;
};

enum class DeregisterStatus : uint8_t {
  Removed,        // and no invocation runs, but for those that the outcome's flags name
  InvalidHandle,  // nothing matches: garbage, another registry's, removed before, or lost the race
};

struct DeregisterOutcome {
  DeregisterStatus status = DeregisterStatus::InvalidHandle;
  bool from_inside_itself =
      false;  // called from the callback being removed; own frame not waited for
  bool broke_deadlock =
      false;  // a thread inside the callback waits for the caller's; not waited for
  Handle deadlocked_with = 0;  // the handle that thread is deregistering
};

template <class System>
class BasicRegistry;

// What a System says about its handles, or the default.
template <class System>
[[nodiscard]] constexpr unsigned generation_bits() noexcept {
  if constexpr (requires { System::kGenerationBits; }) return System::kGenerationBits;
  return 42;
}

// One per thread that may dispatch or deregister. Caller-owned; attach()ed once, then part of the
// registry until that ends. Used by one thread of execution at a time.
template <class System>
struct alignas(kCacheLine) BasicDispatchContext {
 public:
  constexpr BasicDispatchContext() noexcept = default;

  // The registration whose callback this thread is inside, 0 if none.
  [[nodiscard]] Handle current() const noexcept { return current_.load(MemoryOrder::Acquire); }
  [[nodiscard]] bool dispatching() const noexcept {
    return active_.load(MemoryOrder::Relaxed) != 0;
  }

  // For pools of contexts that threads come to and leave (in-process, kernel): true for one caller
  // until release(). Context: anywhere, signal handlers included.
  [[nodiscard]] bool try_claim() noexcept {
    return claimed_.load(MemoryOrder::Relaxed) == 0 &&
           claimed_.exchange(1, MemoryOrder::Acquire) == 0;
  }
  void release() noexcept { claimed_.store(0, MemoryOrder::Release); }

 private:
  friend class BasicRegistry<System>;
  template <class T>
  using Atomic = typename System::template Atomic<T>;

  // Read by deregistering threads, written by the owner.
  Atomic<uint64_t> current_{};      // D3, D6; 0 between callbacks
  Atomic<uint32_t> active_{};       // D1, D7
  Atomic<uint32_t> waiters_{};      // deregistrations that wait for current_ to change
  Atomic<uint64_t> waiting_for_{};  // the handle this thread's own deregistration waits for
  Atomic<BasicDispatchContext*> next_{};
  Atomic<uint32_t> claimed_{};

  // The owner's own: the live registrations in dispatch order as of version_.
  alignas(kCacheLine) uint64_t version_ = 0;
  uint32_t count_ = 0;
  alignas(kCacheLine) Registration order_[kMaxRegistrations] = {};
};

// How a dispatch ended and who ended it.
struct DispatchOutcome {
  Verdict verdict = Verdict::NotHandled;
  RawAnswer answer = kAnswerContinueSearch;  // of the deciding callback
  uint32_t asked = 0;                        // callbacks that were called
  Registration decided_by;                   // meaningful unless NotHandled
};

template <class System>
class BasicRegistry {
 public:
  using Context = BasicDispatchContext<System>;

  constexpr BasicRegistry() noexcept = default;
  BasicRegistry(const BasicRegistry&) = delete;
  BasicRegistry& operator=(const BasicRegistry&) = delete;

  // Before first use, if at all. `capacity` 1..64 (0 and more than 64 mean 64); `instance_tag`
  // tells this registry's handles from those of others. `generations_used` is for a registry that
  // succeeds one with the same tag: that one's handles stay invalid if it is at least the number of
  // registrations that one ever made.
  void configure(uint32_t capacity, uint16_t instance_tag, uint64_t generations_used = 0) noexcept;

  // Makes the context part of the registry, for good; once per context, before its first dispatch
  // or remove. Lock-free. Context: any thread.
  void attach(Context& context) noexcept;

  // Returns the new handle, or 0 when routine is null, all slots are taken, or the generations are
  // used up; then nothing has changed. Lock-free, does not wait. Context: any thread, also inside a
  // callback.
  [[nodiscard]] Handle add(void* routine, void* context, void* call_site) noexcept;

  // CONTRACT, Deregister 1 to 4. `self` is the caller's context; null for a thread that never
  // dispatches. Waits for running invocations of that registration only. InvalidHandle: the handle
  // is 0, garbage, another registry's, removed before, or another remove() won it; that answer
  // never waits. Context: may block.
  DeregisterOutcome remove(Handle handle, Context* self) noexcept KEBOUND_BLOCKS;

  // Asks the callbacks, newest first, until one answers other than ContinueSearch.
  // `ask(const Registration&) -> RawAnswer` makes the call. Not reentrant on one context: see
  // Context::dispatching(). Wait-free but for what `ask` does. Context: anywhere.
  template <class Asker>
  DispatchOutcome dispatch(Context& self, Asker&& ask) noexcept;

  // Ends a dispatch whose `ask` will never return: the thread exits from within a callback. Whoever
  // waits for that callback goes on. Nothing happens if the context dispatches nothing. Context:
  // the context's own thread, anywhere.
  void abandon(Context& self) noexcept;

  // In a fork's child: the other threads, and what they were doing, do not exist here. Their
  // dispatches, waits, half-done registrations and removals are forgotten; their contexts stay
  // attached and are released. `self` may be null. Context: the child's only thread.
  void forget_other_threads(Context* self) noexcept;

  // No slot is taken: a dispatch that begins now asks nobody. Context: anywhere.
  [[nodiscard]] bool empty() const noexcept { return used_.load(MemoryOrder::Acquire) == 0; }

  // The registration whose callback the context's thread is inside, though it be removed already.
  // Context: the context's own thread.
  [[nodiscard]] bool find_inside(const Context& self, Registration& out) const noexcept;

  // The registration behind a handle that is live now. Context: any thread.
  [[nodiscard]] bool find(Handle handle, Registration& out) const noexcept;
  // Copies the live registrations, newest first; returns how many. Each was live at some moment of
  // the call, not all at the same one. Context: any thread.
  [[nodiscard]] uint32_t list(Registration (&out)[kMaxRegistrations]) const noexcept;

 private:
  template <class T>
  using Atomic = typename System::template Atomic<T>;

  struct Slot {
    Atomic<uint64_t> id{};  // 0: free or being filled
    Atomic<void*> routine{};
    Atomic<void*> context{};
    Atomic<void*> call_site{};
  };

  static constexpr unsigned kSlotBits = 6;
  static constexpr unsigned kGenerationBits = generation_bits<System>();
  static constexpr uint64_t kGenerationLimit = uint64_t{1} << kGenerationBits;

  [[nodiscard]] uint64_t slots_mask() const noexcept {
    return capacity_ == 0 || capacity_ >= kMaxRegistrations ? ~uint64_t{0}
                                                            : (uint64_t{1} << capacity_) - 1;
  }
  [[nodiscard]] static constexpr uint32_t slot_of(Handle handle) noexcept {
    return static_cast<uint32_t>(handle & (kMaxRegistrations - 1));
  }
  // Greater means newer.
  [[nodiscard]] static constexpr uint64_t generation_of(Handle handle) noexcept {
    return handle >> kSlotBits & (kGenerationLimit - 1);
  }
  static void insert_newest_first(Registration* order, uint32_t count,
                                  const Registration& registration) noexcept;
  [[nodiscard]] bool read_slot(uint32_t index, Registration& out) const noexcept;
  void refresh_order(Context& self, uint64_t version) noexcept;
  static void leave_callback(Context& self) noexcept;
  [[nodiscard]] bool others_dispatch(const Context* self) const noexcept;
  void drain(Handle handle, Context* self, DeregisterOutcome& outcome) noexcept;
  static void wait_until_left(Context& thread, Handle handle) noexcept;
  [[nodiscard]] const Context* announce_wait(Context& self, Handle handle,
                                             DeregisterOutcome& outcome) noexcept;
  [[nodiscard]] const Context* find_cycle(const Context& self, Handle handle) const noexcept;
  [[nodiscard]] const Context* waiter_for(Handle handle) const noexcept;
  void lock_waits() noexcept;
  void unlock_waits() noexcept;

  uint32_t capacity_ = 0;
  uint16_t instance_tag_ = 0;
  // Registration side and dispatch side on lines of their own: a dispatch only reads the second.
  alignas(kCacheLine) Atomic<uint64_t> used_{};  // bit i: slot i is taken
  Atomic<uint64_t> generation_{};
  Atomic<uint64_t>
      waits_lock_{};  // 0 free, 1 held, 2 held and waited for; deregistration's slow path
  alignas(kCacheLine) Atomic<uint64_t> version_{};  // bumped after each change of a slot's id
  Atomic<Context*> contexts_{};
  alignas(kCacheLine) Slot slots_[kMaxRegistrations] = {};
};

using DispatchContext = BasicDispatchContext<HostSystem>;
using Registry = BasicRegistry<HostSystem>;

}  // namespace kebound

#include "core/registry_impl.h"
