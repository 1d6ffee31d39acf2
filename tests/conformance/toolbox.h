// SPDX-License-Identifier: Apache-2.0
//
// What the cases share, on top of the NT face alone: the current frame, a routine as an address,
// events and threads that do not outlive their case.
#pragma once

#include "tests/conformance/case.h"

namespace kebound::conformance {

// The way drivers find the frame, by offsets.
inline KTRAP_FRAME& frame() {
  return **reinterpret_cast<KTRAP_FRAME**>(reinterpret_cast<char*>(KeGetCurrentThread()) + 0x90);
}
inline int32_t index_now() { return static_cast<int32_t>(frame().Rax); }
inline void set_index(int32_t index) { frame().Rax = static_cast<uint32_t>(index); }

template <class Address>
PBOUND_CALLBACK routine_at(Address address) {
  return reinterpret_cast<PBOUND_CALLBACK>(reinterpret_cast<uintptr_t>(address));
}
inline PVOID handle_of(uintptr_t value) { return reinterpret_cast<PVOID>(value); }
inline uintptr_t value_of(PVOID handle) { return reinterpret_cast<uintptr_t>(handle); }

// Counters that callbacks and case share.
class Counter {
 public:
  int32_t operator++() { return __atomic_add_fetch(&value_, 1, __ATOMIC_SEQ_CST); }
  int32_t operator--() { return __atomic_sub_fetch(&value_, 1, __ATOMIC_SEQ_CST); }
  [[nodiscard]] int32_t get() const { return __atomic_load_n(&value_, __ATOMIC_SEQ_CST); }
  void set(int32_t value) { __atomic_store_n(&value_, value, __ATOMIC_SEQ_CST); }

 private:
  int32_t value_ = 0;
};

inline LARGE_INTEGER milliseconds(int64_t count) {
  LARGE_INTEGER relative;
  relative.QuadPart = -count * 10'000;
  return relative;
}
inline void sleep_a_moment(int64_t count = 1) {
  LARGE_INTEGER interval = milliseconds(count);
  KeDelayExecutionThread(KernelMode, FALSE, &interval);
}

// A notification event. wait() is bounded, so that a failing case ends; the bound decides nothing
// else.
class Signal {
 public:
  Signal() { KeInitializeEvent(&event_, NotificationEvent, FALSE); }
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;
  void set() { KeSetEvent(&event_, IO_NO_INCREMENT, FALSE); }
  [[nodiscard]] bool is_set() { return KeReadStateEvent(&event_) != 0; }
  [[nodiscard]] bool wait() {
    LARGE_INTEGER limit = milliseconds(15'000);
    return KeWaitForSingleObject(&event_, Executive, KernelMode, FALSE, &limit) == STATUS_SUCCESS;
  }

 private:
  KEVENT event_;
};

// Repeats until it holds; bounded as Signal::wait().
template <class Condition>
[[nodiscard]] bool eventually(Condition&& condition) {
  for (int i = 0; i < 15'000; ++i) {
    if (condition()) return true;
    sleep_a_moment();
  }
  return false;
}

// A system thread that runs `fn`. join() is bounded too; the thread is never abandoned silently.
class SystemThread {
 public:
  explicit SystemThread(void (*fn)());
  SystemThread(const SystemThread&) = delete;
  SystemThread& operator=(const SystemThread&) = delete;
  ~SystemThread();
  [[nodiscard]] bool join();

 private:
  void* object_ = nullptr;
};

// Callbacks that many cases want.
BOUND_CALLBACK_STATUS NTAPI clamp_to_upper();  // index = 9, Handled
BOUND_CALLBACK_STATUS NTAPI pass_on();         // ContinueSearch
BOUND_CALLBACK_STATUS NTAPI block();           // waits for released(), then index = 9, Handled
extern Counter clamp_calls;
extern Counter pass_calls;
extern Counter waiting;  // callbacks that came to block()
Signal& released();

// The program's own handler got the exception with every register as it was.
void expect_untouched(HostUnderTest& host, const Raised& raised, const Exception& exception);

}  // namespace kebound::conformance
