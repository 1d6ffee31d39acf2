// SPDX-License-Identifier: Apache-2.0
//
// What kebound's own exit statuses mean; kebound(1) has the same table. Everything else is the
// target's.
#pragma once

namespace kebound::tool {

inline constexpr int kStatusBugCheck = 123;  // a driver stopped the host
inline constexpr int kStatusDriver =
    124;  // a driver could not be loaded; the program was not started
inline constexpr int kStatusFailure = 125;  // usage error, or kebound itself failed
inline constexpr int kStatusCannotExecute =
    126;                                     // found, but it cannot be executed (or attached to)
inline constexpr int kStatusNotFound = 127;  // no such program (or process)

// Ends the calling process as the target ended: by the same signal, without a second core file.
// Context: the main thread, at the very end.
[[noreturn]] void die_of_signal(int signal);

}  // namespace kebound::tool
