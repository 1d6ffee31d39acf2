// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "events/record.h"
#include "report/testing/capture.h"

namespace kebound::report::testing {

// Every byte but NUL, and what breaks careless writers: quotes, line ends, broken UTF-8, escape
// sequences.
[[nodiscard]] std::string nasty_text();

[[nodiscard]] inline events::SharedName name(std::string text) {
  return std::make_shared<const std::string>(std::move(text));
}

// index 12 outside [0, 9], i386, handled by a callback that put 9 into eax. No modules, no stack.
[[nodiscard]] events::BoundException sample_exception();

// The same with the modules, stack and registers of a captured 32-bit fault.
[[nodiscard]] events::BoundException exception_of(const Capture& capture);

// One record of every kind, plain and with nasty_text() wherever there is text.
[[nodiscard]] std::vector<events::Record> one_of_each();

}  // namespace kebound::report::testing
