// SPDX-License-Identifier: Apache-2.0
//
// CONTRACT, Deregister 1 to 4. No case depends on timing to pass; where a moment is slept, it only
// makes a wrong implementation more likely to be caught.
#include "tests/conformance/toolbox.h"

namespace kebound::conformance {
namespace {

// A callback that stays inside until told to go. By the index it is told which of two it serves.
struct Gate {
  Signal inside;
  Signal leave;
  Counter running;
  Counter calls;

  BOUND_CALLBACK_STATUS pass(BOUND_CALLBACK_STATUS answer) {
    ++calls;
    ++running;
    inside.set();
    if (!leave.wait()) host_now().fail(__FILE__, __LINE__, "the callback was told to leave");
    --running;
    return answer;
  }
};
Gate& gate() {
  static Gate it;
  return it;
}
Gate& other_gate() {
  static Gate it;
  return it;
}

PVOID handle_a;
PVOID handle_b;
Counter returned;

// Stays inside for index 100, has no opinion on others.
Counter passed_by;
BOUND_CALLBACK_STATUS NTAPI stay_inside() {
  if (index_now() != 100) {
    ++passed_by;
    return BoundExceptionContinueSearch;
  }
  set_index(9);
  return gate().pass(BoundExceptionHandled);
}

void deregister_a() {
  if (KeDeregisterBoundCallback(handle_a) != STATUS_SUCCESS) {
    host_now().fail(__FILE__, __LINE__, "deregistration succeeds");
  }
  if (gate().running.get() != 0)
    host_now().fail(__FILE__, __LINE__, "nothing runs after deregistration");
  ++returned;
}

CASE("Deregister-1-waits-for-running-invocations", "Deregister 1",
     "After success no invocation of that registration is running", kPlain) {
  handle_a = KeRegisterBoundCallback(stay_inside);
  REQUIRE(handle_a != nullptr);
  host.start(0, {.index = 100});
  host.start(1, {.index = 100});
  REQUIRE(eventually([] { return gate().running.get() == 2; }));
  SystemThread remover(deregister_a);
  sleep_a_moment(20);
  EXPECT(returned.get() == 0);
  gate().leave.set();
  EXPECT(remover.join());
  EXPECT(returned.get() == 1);
  EXPECT(host.wait(0).end == Raised::End::Behind);
  EXPECT(host.wait(1).end == Raised::End::Behind);
  EXPECT(host.raise(0, {.index = 100}).end == Raised::End::Propagated);  // and none will start
  EXPECT(gate().calls.get() == 2);
}

// Late calls, under load: the callback must only be called while its registration lives.
Counter alive;
Counter late;
Counter answered;

BOUND_CALLBACK_STATUS NTAPI must_be_alive() {
  if (alive.get() == 0) ++late;
  ++answered;
  return BoundExceptionContinueSearch;
}

Counter stop_churning;
void churn() {
  while (stop_churning.get() == 0) {
    alive.set(1);
    PVOID const handle = KeRegisterBoundCallback(must_be_alive);
    const int32_t before = answered.get();
    for (int i = 0; i < 5 && answered.get() == before; ++i) sleep_a_moment();
    if (KeDeregisterBoundCallback(handle) != STATUS_SUCCESS) ++late;
    alive.set(0);
  }
}

CASE("Deregister-1-none-starts-afterwards", "Deregister 1",
     "No invocation starts after success, on any of four threads that keep raising", kPlain) {
  PVOID const handle = KeRegisterBoundCallback(clamp_to_upper);
  REQUIRE(handle != nullptr);
  SystemThread churner(churn);
  for (int i = 0; i < 250; ++i) {
    for (unsigned thread = 0; thread < kThreads; ++thread) host.start(thread, {});
    for (unsigned thread = 0; thread < kThreads; ++thread) {
      EXPECT(host.wait(thread).end == Raised::End::Behind);
    }
  }
  stop_churning.set(1);
  EXPECT(churner.join());
  EXPECT(late.get() == 0);
  EXPECT(answered.get() > 10);
  EXPECT(KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
}

BOUND_CALLBACK_STATUS NTAPI stay_then_pass() { return gate().pass(BoundExceptionContinueSearch); }

CASE("Deregister-1-not-started-by-a-search-on-its-way", "Deregister 1",
     "A search that began before the deregistration does not start it afterwards", kPlain) {
  handle_b = KeRegisterBoundCallback(pass_on);
  handle_a = KeRegisterBoundCallback(stay_then_pass);
  REQUIRE(handle_a != nullptr && handle_b != nullptr);
  host.start(0, {});
  REQUIRE(gate().inside.wait());
  // pass_on would be asked next; it does not run yet, so there is nothing to wait for.
  EXPECT(KeDeregisterBoundCallback(handle_b) == STATUS_SUCCESS);
  gate().leave.set();
  EXPECT(host.wait(0).end == Raised::End::Propagated);
  EXPECT(pass_calls.get() == 0);
  EXPECT(KeDeregisterBoundCallback(handle_a) == STATUS_SUCCESS);
}

CASE("Deregister-1-waits-for-no-other-registration", "Deregister 1",
     "It never waits for other registrations' callbacks", kPlain) {
  handle_a = KeRegisterBoundCallback(stay_inside);
  handle_b = KeRegisterBoundCallback(pass_on);
  REQUIRE(handle_a != nullptr && handle_b != nullptr);
  host.start(0, {.index = 100});
  REQUIRE(gate().inside.wait());
  // Thread 0 was in pass_on and is in stay_inside now; only a deregistration that does not wait for
  // it returns.
  EXPECT(KeDeregisterBoundCallback(handle_b) == STATUS_SUCCESS);
  EXPECT(gate().running.get() == 1);
  gate().leave.set();
  EXPECT(host.wait(0).end == Raised::End::Behind);
  EXPECT(KeDeregisterBoundCallback(handle_a) == STATUS_SUCCESS);
}

CASE("Deregister-1-never-blocks-dispatch", "Deregister 1",
     "While a deregistration waits, exceptions of other threads are dispatched", kPlain) {
  PVOID const clamp = KeRegisterBoundCallback(clamp_to_upper);
  handle_a = KeRegisterBoundCallback(stay_inside);
  REQUIRE(clamp != nullptr && handle_a != nullptr);
  host.start(0, {.index = 100});
  REQUIRE(gate().inside.wait());
  SystemThread remover(deregister_a);
  // When an exception no longer reaches stay_inside it is unlinked, and its deregistration waits
  // for thread 0.
  REQUIRE(eventually([&] {
    const int32_t before = passed_by.get();
    return host.raise(1).end == Raised::End::Behind && passed_by.get() == before;
  }));
  EXPECT(clamp_calls.get() > 0);
  EXPECT(host.raise(2).end == Raised::End::Behind);
  EXPECT(host.raise(3).end == Raised::End::Behind);
  EXPECT(returned.get() == 0);
  gate().leave.set();
  EXPECT(remover.join());
  EXPECT(host.wait(0).end == Raised::End::Behind);
  EXPECT(KeDeregisterBoundCallback(clamp) == STATUS_SUCCESS);
}

CASE("Deregister-2-null", "Deregister 2", "NULL is an invalid handle", kPlain) {
  EXPECT(KeDeregisterBoundCallback(nullptr) == STATUS_INVALID_HANDLE);
}

CASE("Deregister-2-garbage", "Deregister 2", "Garbage is an invalid handle", kPlain) {
  uint64_t nothing = 0;
  EXPECT(KeDeregisterBoundCallback(&nothing) == STATUS_INVALID_HANDLE);
  EXPECT(KeDeregisterBoundCallback(handle_of(uintptr_t{0xdeadbeef})) == STATUS_INVALID_HANDLE);
}

CASE("Deregister-2-second-time", "Deregister 2", "A second time is an invalid handle", kPlain) {
  handle_a = KeRegisterBoundCallback(clamp_to_upper);
  REQUIRE(handle_a != nullptr);
  EXPECT(KeDeregisterBoundCallback(handle_a) == STATUS_SUCCESS);
  EXPECT(KeDeregisterBoundCallback(handle_a) == STATUS_INVALID_HANDLE);
}

Counter successes;
Counter losers;
void race_to_deregister() {
  const NTSTATUS status = KeDeregisterBoundCallback(handle_a);
  if (status == STATUS_SUCCESS) {
    ++successes;
  } else if (status == STATUS_INVALID_HANDLE) {
    ++losers;
  }
}

CASE("Deregister-2-one-of-racing-calls-wins", "Deregister 2",
     "Of racing calls exactly one gets success; a loser returns at once without waiting", kPlain) {
  handle_a = KeRegisterBoundCallback(stay_inside);
  REQUIRE(handle_a != nullptr);
  host.start(0, {.index = 100});
  REQUIRE(gate().inside.wait());
  SystemThread first(race_to_deregister);
  SystemThread second(race_to_deregister);
  SystemThread third(race_to_deregister);
  // The callback still runs, so the winner waits; the losers must come back all the same.
  EXPECT(eventually([] { return losers.get() == 2; }));
  EXPECT(successes.get() == 0);
  gate().leave.set();
  EXPECT(first.join() && second.join() && third.join());
  EXPECT(successes.get() == 1);
  EXPECT(losers.get() == 2);
  EXPECT(host.wait(0).end == Raised::End::Behind);
}

CASE("Deregister-3-slot-is-free-before-the-wait", "Deregister 3",
     "The slot is free for a new registration before the wait begins", kPlain) {
  PVOID others[63];
  for (PVOID& handle : others) {
    handle = KeRegisterBoundCallback(pass_on);
    REQUIRE(handle != nullptr);
  }
  handle_a = KeRegisterBoundCallback(stay_inside);
  REQUIRE(handle_a != nullptr);
  EXPECT(KeRegisterBoundCallback(clamp_to_upper) == nullptr);
  host.start(0, {.index = 100});
  REQUIRE(gate().inside.wait());
  SystemThread remover(deregister_a);
  // The callback has not left: the deregistration is still waiting when this succeeds.
  PVOID fresh = nullptr;
  EXPECT(eventually([&] { return (fresh = KeRegisterBoundCallback(clamp_to_upper)) != nullptr; }));
  EXPECT(returned.get() == 0);
  EXPECT(gate().running.get() == 1);
  EXPECT(host.raise(1).end ==
         Raised::End::Behind);  // the new tenant is in service, the old one's wait goes on
  EXPECT(clamp_calls.get() == 1);
  EXPECT(returned.get() == 0);
  gate().leave.set();
  EXPECT(remover.join());
  EXPECT(host.wait(0).end == Raised::End::Behind);
  EXPECT(KeDeregisterBoundCallback(fresh) == STATUS_SUCCESS);
  for (PVOID const handle : others) EXPECT(KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
}

NTSTATUS inner_status;

BOUND_CALLBACK_STATUS NTAPI deregister_myself() {
  inner_status = KeDeregisterBoundCallback(handle_a);
  set_index(9);
  return BoundExceptionHandled;
}

CASE("Deregister-4-from-inside", "Deregister 4",
     "From inside the callback being removed it succeeds without waiting for its own frame, and is "
     "reported",
     kPlain.reports("self-deregistration", "deregister_myself")) {
  inner_status = STATUS_UNSUCCESSFUL;
  handle_a = KeRegisterBoundCallback(deregister_myself);
  REQUIRE(handle_a != nullptr);
  EXPECT(host.raise(0).end == Raised::End::Behind);
  EXPECT(inner_status == STATUS_SUCCESS);
  EXPECT(host.raise(0).end == Raised::End::Propagated);
  EXPECT(KeDeregisterBoundCallback(handle_a) == STATUS_INVALID_HANDLE);
}

// Index 100 stays inside, index 200 deregisters.
Counter other_frame_ran_at_return;

BOUND_CALLBACK_STATUS NTAPI stay_or_deregister() {
  const int32_t index = index_now();
  set_index(9);
  if (index == 100) return gate().pass(BoundExceptionHandled);
  other_gate().inside.set();
  inner_status = KeDeregisterBoundCallback(handle_a);
  other_frame_ran_at_return.set(gate().running.get());
  ++returned;
  return BoundExceptionHandled;
}

CASE("Deregister-4-from-inside-waits-for-other-threads", "Deregister 4",
     "From inside it still waits for the frames of other threads",
     kPlain.reports("self-deregistration")) {
  inner_status = STATUS_UNSUCCESSFUL;
  handle_a = KeRegisterBoundCallback(stay_or_deregister);
  REQUIRE(handle_a != nullptr);
  host.start(0, {.index = 100});
  REQUIRE(gate().inside.wait());
  host.start(1, {.index = 200});
  REQUIRE(other_gate().inside.wait());
  sleep_a_moment(20);
  EXPECT(returned.get() == 0);
  gate().leave.set();
  EXPECT(host.wait(1).end == Raised::End::Behind);
  EXPECT(host.wait(0).end == Raised::End::Behind);
  EXPECT(inner_status == STATUS_SUCCESS);
  EXPECT(other_frame_ran_at_return.get() == 0);
}

// Two callbacks that each deregister the other while both run.
Counter inside_both;
NTSTATUS mutual_status[2];

BOUND_CALLBACK_STATUS NTAPI deregister_b_from_a() {
  if (index_now() != 100) return BoundExceptionContinueSearch;
  ++inside_both;
  if (!eventually([] { return inside_both.get() == 2; })) return BoundExceptionError;
  mutual_status[0] = KeDeregisterBoundCallback(handle_b);
  set_index(9);
  return BoundExceptionHandled;
}

BOUND_CALLBACK_STATUS NTAPI deregister_a_from_b() {
  if (index_now() != 200) return BoundExceptionContinueSearch;
  ++inside_both;
  if (!eventually([] { return inside_both.get() == 2; })) return BoundExceptionError;
  mutual_status[1] = KeDeregisterBoundCallback(handle_a);
  set_index(9);
  return BoundExceptionHandled;
}

CASE("Deregister-4-mutual", "Deregister 4",
     "Two callbacks that deregister each other while both run do not deadlock, and both are named",
     kPlain.reports("deregistration-deadlock", "deregister_b_from_a deregister_a_from_b")) {
  mutual_status[0] = mutual_status[1] = STATUS_UNSUCCESSFUL;
  handle_a = KeRegisterBoundCallback(deregister_b_from_a);
  handle_b = KeRegisterBoundCallback(deregister_a_from_b);
  REQUIRE(handle_a != nullptr && handle_b != nullptr);
  host.start(0, {.index = 100});
  host.start(1, {.index = 200});
  EXPECT(host.wait(0).end == Raised::End::Behind);
  EXPECT(host.wait(1).end == Raised::End::Behind);
  EXPECT(mutual_status[0] == STATUS_SUCCESS);
  EXPECT(mutual_status[1] == STATUS_SUCCESS);
  EXPECT(host.raise(0, {.index = 100}).end == Raised::End::Propagated);
}

}  // namespace
}  // namespace kebound::conformance
