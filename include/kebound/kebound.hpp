// SPDX-License-Identifier: Apache-2.0
//
// kebound.h for C++20.
#ifndef KEBOUND_KEBOUND_HPP_
#define KEBOUND_KEBOUND_HPP_

#include <concepts>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "kebound.h"

// The inner namespace is part of every symbol: what a program's other parts call
// kebound::Registration is another class.
namespace kebound {
inline namespace v1 {

using Event = kebound_event;
using EventRegisters = kebound_registers;

enum class Answer : int {
  ContinueSearch = KEBOUND_CONTINUE_SEARCH,
  Handled = KEBOUND_HANDLED,
  Error = KEBOUND_ERROR,
};

// A callback for as long as the object lives. The callable runs where kebound_callback's text says,
// on several threads at once, and must not throw (one that does ends the program). Destruction
// waits for running invocations, so what the callable refers to may go right afterwards. Context:
// construction and destruction as kebound_register() and kebound_deregister(). Do not destroy it
// from within its own callable: that would free the callable under its own feet.
class Registration {
 public:
  Registration() noexcept = default;

  template <class Callable>
  requires std::is_invocable_r_v<Answer, Callable&, const Event&, EventRegisters&>
  explicit Registration(Callable callable)
      : callable_(new Callable(std::move(callable)),
                  [](void* p) { delete static_cast<Callable*>(p); }),
        handle_(kebound_register(&call<Callable>, callable_.get())) {}

  Registration(Registration&& other) noexcept
      : callable_(std::move(other.callable_)), handle_(std::exchange(other.handle_, 0)) {}
  Registration& operator=(Registration&& other) noexcept {
    if (this != &other) {
      reset();
      callable_ = std::move(other.callable_);
      handle_ = std::exchange(other.handle_, 0);
    }
    return *this;
  }
  ~Registration() { reset(); }

  // False when it could not be registered: see kebound_register().
  [[nodiscard]] explicit operator bool() const noexcept { return handle_ != 0; }
  [[nodiscard]] kebound_handle handle() const noexcept { return handle_; }

  void reset() noexcept {
    if (handle_ != 0) kebound_deregister(std::exchange(handle_, 0));
    callable_.reset();
  }

 private:
  template <class Callable>
  static kebound_answer call(const kebound_event* event, kebound_registers* registers,
                             void* callable) noexcept {
    return static_cast<kebound_answer>((*static_cast<Callable*>(callable))(*event, *registers));
  }

  std::unique_ptr<void, void (*)(void*)> callable_{nullptr, [](void*) {}};
  kebound_handle handle_ = 0;
};

// What guarded() made: the function's result, or the event that ended it.
template <class T>
class Guarded {
  using Value = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

 public:
  explicit Guarded(Value value) : outcome_(std::in_place_index<0>, std::move(value)) {}
  explicit Guarded(const Event& event) : outcome_(std::in_place_index<1>, event) {}

  [[nodiscard]] bool has_value() const noexcept { return outcome_.index() == 0; }
  [[nodiscard]] explicit operator bool() const noexcept { return has_value(); }
  // Throw std::bad_variant_access when it is the other one.
  [[nodiscard]] Value& value() { return std::get<0>(outcome_); }
  [[nodiscard]] const Event& error() const { return std::get<1>(outcome_); }

 private:
  std::variant<Value, Event> outcome_;
};

// Calls `fn`; a bound exception in it (on this thread) that no callback handles ends the call and
// is returned. C++ exceptions of `fn` pass through. Like longjmp, an ended call runs no destructors
// of what lies between the check and here: whatever `fn` holds is lost, so let it hold nothing.
// Context: as kebound_guard_push(), as far as `fn` allows.
template <class Fn>
[[gnu::noinline]] auto guarded(Fn&& fn) -> Guarded<std::invoke_result_t<Fn&>> {
  using Result = std::invoke_result_t<Fn&>;
  kebound_guard guard;
  struct Ending {  // also when fn throws
    kebound_guard* guard;
    ~Ending() { kebound_guard_end(guard); }
  };
  if (kebound_guard_begin(&guard) != 0) return Guarded<Result>(guard.event);
  Ending ending{&guard};
  if constexpr (std::is_void_v<Result>) {
    fn();
    return Guarded<Result>(std::monostate{});
  } else {
    return Guarded<Result>(fn());
  }
}

}  // namespace v1
}  // namespace kebound

#endif  // KEBOUND_KEBOUND_HPP_
