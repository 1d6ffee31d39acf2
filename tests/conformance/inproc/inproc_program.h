// SPDX-License-Identifier: Apache-2.0
//
// The program under the suite when it is the same process as the case: threads that take orders.
#pragma once

#include <sys/types.h>

#include "tests/conformance/hosted_program.h"

namespace kebound::conformance {

class InprocProgram final : public HostedProgram {
 public:
  InprocProgram() : HostedProgram(&driver_object_) {}

  // The memory that orders go through, and the threads' stacks. False when there is none.
  [[nodiscard]] bool map();

  // From here on each exception may be the process's last, and a copy stands by.
  void expect_death(bool expected) { expects_death_ = expected; }

  void start(unsigned thread, const Exception& exception) override;
  [[nodiscard]] uint64_t allocations() const override;

  // The case is over.
  void finish();

  // --- the controller's side ---

  // The process that the case runs in now; 0 before the first exception.
  [[nodiscard]] pid_t worker() const;
  void note_death(pid_t process, int status);
  void print_messages() const;

 private:
  void start_threads();
  void leave_copy();
  void dismiss_copy();

  DRIVER_OBJECT driver_object_{};
  bool expects_death_ = false;
  pid_t threads_of_ = 0;  // the process that the threads were started in
  pid_t copy_ = 0;
};

}  // namespace kebound::conformance
