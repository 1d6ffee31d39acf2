// SPDX-License-Identifier: Apache-2.0
//
// Programs whose array accesses a compiler checks: the trap is taken back to the compare, index and
// limits are right, and the program goes on with the nearest index.
#include "tests/bare/programs.h"

namespace kebound::bare {

namespace {

BARE_PROGRAM(checks_clang_O0);
BARE_PROGRAM(checks_clang_O2);
BARE_PROGRAM(checks_gcc_O0);
BARE_PROGRAM(checks_gcc_O2);
BARE_PROGRAM(checks_clang_O2_32);

constinit uint64_t g_calls = 0;
constinit BoundEvent g_first;

BOUND_CALLBACK_STATUS clamp() {
  const BoundEvent& event = event_now();
  if (g_calls++ == 0) g_first = event;
  if (!event.resumable || event.confidence == Confidence::Unknown)
    return BoundExceptionContinueSearch;
  // The frame has no place for an index in memory, or in R12..R15.
  running_thread().nt.corrected_index = event.index < event.lower ? event.lower : event.upper;
  return BoundExceptionHandled;
}

void run_checks(const Program& program, BoundSource source) {
  be_a_driver();
  PVOID const handle = KeRegisterBoundCallback(clamp);
  check("it is registered", handle != nullptr);
  const struct {
    int32_t index;
    uint64_t result;
  } rounds[] = {{12, 81}, {-3, 0}, {1'000'000, 81}, {10, 81}};
  for (const auto& round : rounds) {
    g_calls = 0;
    const Process& process = run_program(program, static_cast<uint32_t>(round.index));
    const std::string words = std::string("index ") + std::to_string(round.index) + ": ";
    check_equal(words + "asked once", g_calls, 1);
    check_equal(words + "the source", static_cast<uint64_t>(g_first.source),
                static_cast<uint64_t>(source));
    check_equal(words + "certain", static_cast<uint64_t>(g_first.confidence),
                static_cast<uint64_t>(Confidence::Certain));
    check_equal(words + "the index", static_cast<uint64_t>(g_first.index),
                static_cast<uint64_t>(int64_t{round.index}));
    check_equal(words + "the lower limit", static_cast<uint64_t>(g_first.lower), 0);
    check_equal(words + "the upper limit", static_cast<uint64_t>(g_first.upper), 9);
    check(words + "to be resumed" +
              (g_first.resumable ? "" : ": " + std::string(doubt_text(g_first.doubt))),
          g_first.resumable);
    check(words + "the program came to its end", process.ending == Ending::Exited);
    check_equal(words + "with the nearest element", process.exit_status, round.result);
  }
  check("it was registered all the time", KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
  // Now the kernel's, as without kebound.
  check_equal("unhandled, it is vector 6", run_program(program, 12).exit_status, 1006);
  check_equal("an index in range", run_program(program, 4).exit_status, 16);
}

BARE_TEST(clang_checks_O0) { run_checks(checks_clang_O0, BoundSource::ClangTrap); }
BARE_TEST(clang_checks_O2) { run_checks(checks_clang_O2, BoundSource::ClangTrap); }
BARE_TEST(clang_checks_O2_32) { run_checks(checks_clang_O2_32, BoundSource::ClangTrap); }
BARE_TEST(gcc_checks_O0) { run_checks(checks_gcc_O0, BoundSource::CheckTrap); }
BARE_TEST(gcc_checks_O2) { run_checks(checks_gcc_O2, BoundSource::CheckTrap); }

}  // namespace

}  // namespace kebound::bare
