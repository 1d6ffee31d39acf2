// SPDX-License-Identifier: Apache-2.0
//
// The host of a case on a real kernel: conformance_guest, which runs what is ordered through shared
// memory. Who derives from it brings the memory, a pause and a place for failures.
#pragma once

#include "tests/conformance/case.h"
#include "tests/conformance/shared.h"

namespace kebound::conformance {

class OrderedProgram : public HostUnderTest {
 public:
  explicit OrderedProgram(DRIVER_OBJECT* driver) : driver_(driver) {}

  void start(unsigned thread, const Exception& exception) override;
  Raised wait(unsigned thread) override;
  [[nodiscard]] uint64_t bound_address() const override { return shared_->bound_address; }
  [[nodiscard]] uint64_t elsewhere_address() const override { return shared_->elsewhere_address; }
  [[nodiscard]] uint64_t bounds_address(unsigned thread) const override {
    return kConformanceAddress + offsetof(conformance_shared, slots) +
           thread * sizeof(conformance_slot) + offsetof(conformance_slot, bounds);
  }
  [[nodiscard]] uint64_t process_id() const override {
    return static_cast<uint64_t>(shared_->worker_pid);
  }
  [[nodiscard]] uint64_t thread_id(unsigned thread) const override {
    return shared_->slots[thread].tid;
  }
  [[nodiscard]] DRIVER_OBJECT* driver_object() const override { return driver_; }

  void wait_for_worker();
  void finish() { __atomic_store_n(&shared_->quit, 1, __ATOMIC_RELEASE); }

 protected:
  ~OrderedProgram() = default;

  // Some 50 us. Not the NT face's delay: what waits here must not depend on what is tested.
  virtual void pause() = 0;

  conformance_shared* shared_ = nullptr;

 private:
  static constexpr int kPatience = 200'000;  // pauses: what bounds a failure
  struct Order {
    uint32_t request = 0;
    uint32_t deaths = 0;
    bool own_handler = true;
  };
  DRIVER_OBJECT* driver_;
  Order orders_[kConformanceThreads];
};

}  // namespace kebound::conformance
