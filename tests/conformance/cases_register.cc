// SPDX-License-Identifier: Apache-2.0
//
// CONTRACT, Register 1 to 4.
#include <stdlib.h>
#include <string.h>

#include "tests/conformance/toolbox.h"

namespace kebound::conformance {
namespace {

CASE("Register-1-null-routine", "Register 1", "A null routine is answered with NULL", kPlain) {
  EXPECT(KeRegisterBoundCallback(nullptr) == nullptr);
}

uint64_t some_data[4];

CASE("Register-1-routine-outside-executable-memory", "Register 1",
     "A routine that is no executable memory is answered with NULL", kPlain) {
  uint64_t on_stack[2] = {};
  void* const on_heap = malloc(64);
  EXPECT(KeRegisterBoundCallback(routine_at(on_stack)) == nullptr);
  EXPECT(KeRegisterBoundCallback(routine_at(on_heap)) == nullptr);
  EXPECT(KeRegisterBoundCallback(routine_at(some_data)) == nullptr);
  EXPECT(KeRegisterBoundCallback(routine_at(uintptr_t{1})) == nullptr);
  EXPECT(KeRegisterBoundCallback(routine_at(uintptr_t{1} << (sizeof(void*) * 8 - 1))) ==
         nullptr);  // 64 bits: not canonical
  EXPECT(KeRegisterBoundCallback(routine_at(~uintptr_t{0})) == nullptr);
  free(on_heap);
  EXPECT(host.raise(0).end == Raised::End::Propagated);  // nothing was registered
}

CASE("Register-2-full-registry-refuses", "Register 2",
     "Without a free slot it returns NULL and nothing has changed", kPlain) {
  PVOID handles[64];
  for (PVOID& handle : handles) {
    handle = KeRegisterBoundCallback(pass_on);
    REQUIRE(handle != nullptr);
  }
  EXPECT(KeRegisterBoundCallback(clamp_to_upper) == nullptr);
  EXPECT(KeRegisterBoundCallback(pass_on) == nullptr);
  EXPECT(host.raise(0).end == Raised::End::Propagated);
  EXPECT(pass_calls.get() == 64);
  EXPECT(clamp_calls.get() == 0);
  EXPECT(KeDeregisterBoundCallback(handles[31]) == STATUS_SUCCESS);
  handles[31] = KeRegisterBoundCallback(clamp_to_upper);
  EXPECT(handles[31] != nullptr);
  EXPECT(KeRegisterBoundCallback(pass_on) == nullptr);
  EXPECT(host.raise(0).end == Raised::End::Behind);
  EXPECT(pass_calls.get() == 64);  // the newest one handled it
  for (PVOID const handle : handles) EXPECT(KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
}

// Each link of the chain notes its place and passes on; the templates give 64 different routines.
Counter place;
int32_t place_of[64];

template <int kNumber>
BOUND_CALLBACK_STATUS NTAPI link() {
  place_of[kNumber] = ++place;
  return BoundExceptionContinueSearch;
}

template <int kNumber = 63>
struct Links {
  static PBOUND_CALLBACK get(int number) {
    if constexpr (kNumber < 0) {
      return nullptr;
    } else {
      return number == kNumber ? &link<kNumber> : Links<kNumber - 1>::get(number);
    }
  }
};

CASE("Register-3-newest-first", "Register 3", "A chain of 64 is asked newest first", kPlain) {
  PVOID handles[64];
  for (int i = 0; i < 64; ++i) {
    handles[i] = KeRegisterBoundCallback(Links<>::get(i));
    REQUIRE(handles[i] != nullptr);
  }
  EXPECT(host.raise(0).end == Raised::End::Propagated);
  for (int i = 0; i < 64; ++i) EXPECT(place_of[i] == 64 - i);
  // Age, not slot, decides: one from the middle is registered anew and comes first.
  EXPECT(KeDeregisterBoundCallback(handles[20]) == STATUS_SUCCESS);
  handles[20] = KeRegisterBoundCallback(Links<>::get(20));
  REQUIRE(handles[20] != nullptr);
  place.set(0);
  EXPECT(host.raise(1).end == Raised::End::Propagated);
  EXPECT(place_of[20] == 1);
  EXPECT(place_of[63] == 2);
  EXPECT(place_of[21] == 44);
  EXPECT(place_of[19] == 45);
  EXPECT(place_of[0] == 64);
  for (PVOID const handle : handles) EXPECT(KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
}

CASE("Register-3-windows-has-one-slot", "Register 3",
     "In the windows profile a second registration gets NULL, whichever routine it is",
     kPlain.in_windows_profile().marked()) {
  PVOID const handle = KeRegisterBoundCallback(clamp_to_upper);
  REQUIRE(handle != nullptr);
  EXPECT(KeRegisterBoundCallback(pass_on) == nullptr);
  EXPECT(KeRegisterBoundCallback(clamp_to_upper) == nullptr);
  EXPECT(host.raise(0).end == Raised::End::Behind);
  EXPECT(KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
  PVOID const second = KeRegisterBoundCallback(pass_on);
  EXPECT(second != nullptr);
  EXPECT(host.raise(0).end == Raised::End::Propagated);
  EXPECT(KeDeregisterBoundCallback(second) == STATUS_SUCCESS);
}

CASE("Register-4-stale-handle-never-valid-again", "Register 4",
     "A handle that was deregistered never becomes valid again", kPlain) {
  PVOID const stale = KeRegisterBoundCallback(clamp_to_upper);
  REQUIRE(stale != nullptr);
  EXPECT(KeDeregisterBoundCallback(stale) == STATUS_SUCCESS);
  for (int i = 0; i < 1000; ++i) {
    PVOID const fresh = KeRegisterBoundCallback(clamp_to_upper);
    REQUIRE(fresh != nullptr);
    EXPECT(fresh != stale);
    EXPECT(KeDeregisterBoundCallback(stale) == STATUS_INVALID_HANDLE);
    if (i % 100 == 0) EXPECT(host.raise(0).end == Raised::End::Behind);
    EXPECT(KeDeregisterBoundCallback(fresh) == STATUS_SUCCESS);
  }
}

CASE("Register-4-garbage-is-compared-never-dereferenced", "Register 4",
     "Any garbage value is answered with STATUS_INVALID_HANDLE", kPlain) {
  PVOID const handle = KeRegisterBoundCallback(clamp_to_upper);
  REQUIRE(handle != nullptr);
  const auto is_invalid = [handle](uintptr_t value) {
    return value == value_of(handle) ||
           KeDeregisterBoundCallback(handle_of(value)) == STATUS_INVALID_HANDLE;
  };
  for (unsigned bit = 0; bit < sizeof(PVOID) * 8; ++bit) {
    EXPECT(is_invalid(uintptr_t{1} << bit));
    EXPECT(is_invalid(value_of(handle) ^ uintptr_t{1} << bit));
    EXPECT(is_invalid(~(uintptr_t{1} << bit)));
  }
  EXPECT(KeDeregisterBoundCallback(reinterpret_cast<PVOID>(&clamp_to_upper)) ==
         STATUS_INVALID_HANDLE);
  EXPECT(KeDeregisterBoundCallback(&some_data) == STATUS_INVALID_HANDLE);
  uint64_t random = 88172645463325252u;
  for (int i = 0; i < 10'000; ++i) {
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    EXPECT(is_invalid(static_cast<uintptr_t>(random)));
  }
  EXPECT(host.raise(0).end == Raised::End::Behind);
  EXPECT(KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
}

CASE("Register-4-same-routine-twice", "Register 4",
     "The same routine may be registered twice and gets two handles", kPlain) {
  PVOID const first = KeRegisterBoundCallback(pass_on);
  PVOID const second = KeRegisterBoundCallback(pass_on);
  REQUIRE(first != nullptr && second != nullptr);
  EXPECT(first != second);
  EXPECT(host.raise(0).end == Raised::End::Propagated);
  EXPECT(pass_calls.get() == 2);
  EXPECT(KeDeregisterBoundCallback(first) == STATUS_SUCCESS);
  EXPECT(KeDeregisterBoundCallback(first) == STATUS_INVALID_HANDLE);
  EXPECT(host.raise(0).end == Raised::End::Propagated);
  EXPECT(pass_calls.get() == 3);
  EXPECT(KeDeregisterBoundCallback(second) == STATUS_SUCCESS);
  EXPECT(host.raise(0).end == Raised::End::Propagated);
  EXPECT(pass_calls.get() == 3);
}

}  // namespace
}  // namespace kebound::conformance
