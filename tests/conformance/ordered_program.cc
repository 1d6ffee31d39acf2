// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/ordered_program.h"

namespace kebound::conformance {

void OrderedProgram::start(unsigned thread, const Exception& exception) {
  wait_for_worker();
  Order& order = orders_[thread];
  conformance_slot& slot = shared_->slots[thread];
  order.deaths = __atomic_load_n(&shared_->deaths, __ATOMIC_ACQUIRE);
  order.own_handler = exception.own_handler;
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
  order.request = slot.request + 1;
  __atomic_store_n(&slot.request, order.request, __ATOMIC_RELEASE);
}

Raised OrderedProgram::wait(unsigned thread) {
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
    pause();
  }
  fail(__FILE__, __LINE__, "the thread came to an end of its exception");
  return raised;
}

void OrderedProgram::wait_for_worker() {
  for (int i = 0; i < kPatience; ++i) {
    const uint32_t ready = __atomic_load_n(&shared_->ready, __ATOMIC_ACQUIRE);
    if (ready != 0 && ready == __atomic_load_n(&shared_->deaths, __ATOMIC_ACQUIRE) + 1) return;
    pause();
  }
  fail(__FILE__, __LINE__, "the guest is there");
}

}  // namespace kebound::conformance
