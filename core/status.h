// SPDX-License-Identifier: Apache-2.0
//
// What callbacks answer and what a search ends in. The values are NT's (wdm.h,
// BOUND_CALLBACK_STATUS); nt/ asserts that they agree.
#pragma once

#include <stdint.h>

namespace kebound {

// A callback's answer as it came, before anybody checked that it is one of the three.
using RawAnswer = uint32_t;

inline constexpr RawAnswer kAnswerContinueSearch = 0;
inline constexpr RawAnswer kAnswerHandled = 1;
inline constexpr RawAnswer kAnswerError = 2;
inline constexpr RawAnswer kAnswerMaximum = 3;  // first value that is no answer

// How a search through the registered callbacks ended.
enum class Verdict : uint8_t {
  NotHandled,     // nobody claimed it: propagate
  Handled,        // resume with the frame as the deciding callback left it
  Error,          // terminate the process
  InvalidAnswer,  // the deciding callback returned kAnswerMaximum or more: bug check
};

}  // namespace kebound
