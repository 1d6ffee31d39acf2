// SPDX-License-Identifier: Apache-2.0
//
// The program under the suite as a host's case sees it: exceptions are ordered, and their ends
// told, through memory that it shares with the program. Who derives from it brings the memory, a
// pause and a place for failures; nothing here needs a C library.
#pragma once

#include "tests/conformance/case.h"
#include "tests/conformance/shared.h"

namespace kebound::conformance {

class OrderedProgram : public HostUnderTest {
 public:
  explicit OrderedProgram(DRIVER_OBJECT* driver) : driver_(driver) {}

  void start(unsigned thread, const Exception& exception) override {
    prepare(thread, exception);
    give_order(thread);
  }

  Raised wait(unsigned thread) override {
    const Order order = orders_[thread];
    conformance_slot& slot = shared_->slots[thread];
    Raised raised;
    for (int i = 0; i < kPatience; ++i) {
      if (__atomic_load_n(&slot.done, __ATOMIC_ACQUIRE) == order.request) {
        raised.end = slot.landing == kLandingBehind      ? Raised::End::Behind
                     : slot.landing == kLandingElsewhere ? Raised::End::Elsewhere
                                                         : Raised::End::Propagated;
        raised.trap = slot.trap;
        const conformance_registers& out = slot.out;
        raised.registers = {out.eax, out.ecx, out.edx, out.ebx,   out.esp,
                            out.ebp, out.esi, out.edi, out.eflags};
        return raised;
      }
      if (__atomic_load_n(&shared_->deaths, __ATOMIC_ACQUIRE) != order.deaths) {
        constexpr int kSegv = 11;
        const bool of_segv = (shared_->last_status & 0x7f) == kSegv;
        raised.end =
            of_segv && !order.own_handler ? Raised::End::Propagated : Raised::End::Terminated;
        return raised;
      }
      pause_briefly();
    }
    fail(__FILE__, __LINE__, "the thread came to an end of its exception");
    return raised;
  }

  [[nodiscard]] uint64_t bound_address() const override { return shared_->bound_address; }
  [[nodiscard]] uint64_t elsewhere_address() const override { return shared_->elsewhere_address; }
  [[nodiscard]] uint64_t bounds_address(unsigned thread) const override {
    return shared_->address + offsetof(conformance_shared, slots) +
           thread * sizeof(conformance_slot) + offsetof(conformance_slot, bounds);
  }
  [[nodiscard]] uint64_t process_id() const override {
    return static_cast<uint64_t>(shared_->worker_pid);
  }
  [[nodiscard]] uint64_t thread_id(unsigned thread) const override {
    return shared_->slots[thread].tid;
  }
  [[nodiscard]] DRIVER_OBJECT* driver_object() const override { return driver_; }

  // conformance_guest: waits until it has a process, the first one or that after the last death.
  void wait_for_worker() {
    for (int i = 0; i < kPatience; ++i) {
      const uint32_t ready = __atomic_load_n(&shared_->ready, __ATOMIC_ACQUIRE);
      if (ready != 0 && ready == __atomic_load_n(&shared_->deaths, __ATOMIC_ACQUIRE) + 1) return;
      pause_briefly();
    }
    fail(__FILE__, __LINE__, "the guest is there");
  }
  // The case is over.
  void finish() { __atomic_store_n(&shared_->quit, 1, __ATOMIC_RELEASE); }

 protected:
  ~OrderedProgram() = default;

  static constexpr int kPatience = 200'000;  // of 50 us and more: what bounds a failure

  // Some 50 us. Not the NT face's delay: what waits here must not depend on what is tested.
  virtual void pause_briefly() = 0;

  void use(conformance_shared* shared) { shared_ = shared; }
  [[nodiscard]] conformance_shared& shared() const { return *shared_; }

  // Writes the order down. The program does not see it yet.
  void prepare(unsigned thread, const Exception& exception) {
    Order& order = orders_[thread];
    conformance_slot& slot = shared_->slots[thread];
    order.deaths = __atomic_load_n(&shared_->deaths, __ATOMIC_ACQUIRE);
    order.own_handler = exception.own_handler;
    order.request = slot.request + 1;
    slot.bounds[0] = exception.lower;
    slot.bounds[1] = exception.upper;
    slot.in = {};
    slot.in.eax = static_cast<uint32_t>(exception.index);
    slot.in.ecx = exception.ecx;
    slot.in.edx = exception.flavour == Flavour::UnmappedBounds
                      ? shared_->unmapped_address
                      : static_cast<uint32_t>(bounds_address(thread));
    slot.in.ebx = exception.ebx;
    slot.in.ebp = exception.ebp;
    slot.in.esi = exception.esi;
    slot.in.edi = exception.edi;
    slot.in.eflags = 0x202;
    slot.null_ds = exception.flavour == Flavour::NullDataSegment ? 1 : 0;
    slot.own_handler = exception.own_handler ? 1 : 0;
  }
  void give_order(unsigned thread) {
    __atomic_store_n(&shared_->slots[thread].request, orders_[thread].request, __ATOMIC_RELEASE);
  }

 private:
  struct Order {
    uint32_t request = 0;
    uint32_t deaths = 0;
    bool own_handler = true;
  };
  DRIVER_OBJECT* driver_;
  conformance_shared* shared_ = nullptr;
  Order orders_[kConformanceThreads];
};

}  // namespace kebound::conformance
