// SPDX-License-Identifier: Apache-2.0
//
// What vectors 5 and 6 of user mode are, what is none of them, and #BR in the kernel.
#include "hosts/bare/machine.h"
#include "nt/report.h"
#include "tests/bare/programs.h"

namespace kebound::bare {

namespace {

BARE_PROGRAM(encodings);
BARE_PROGRAM(near32);
BARE_PROGRAM(near64);
BARE_PROGRAM(mpx);

constinit uint64_t g_calls = 0;
constinit uint64_t g_wrong = 0;
constinit BoundEvent g_last;

BOUND_CALLBACK_STATUS step_over_bound() {
  const BoundEvent& event = event_now();
  ++g_calls;
  // 16-bit operands read the two halves of the lower limit.
  const int64_t upper = event.index_width == 16 ? 0 : 9;
  if (event.source != BoundSource::X86Bound || event.confidence != Confidence::Certain ||
      event.index != 12 || event.lower != 0 || event.upper != upper || event.ip != frame_now().Rip)
    ++g_wrong;
  frame_now().Rip += event.instruction_length;
  return BoundExceptionHandled;
}

BOUND_CALLBACK_STATUS note_and_pass() {
  ++g_calls;
  g_last = event_now();
  return BoundExceptionContinueSearch;
}

BARE_TEST(encodings_handled) {
  be_a_driver();
  PVOID const handle = KeRegisterBoundCallback(step_over_bound);
  const Process& process = run_program(encodings, 0);
  check("the program came to its end", process.ending == Ending::Exited);
  check("there were 40 encodings or more", process.exit_status >= 40);
  check_equal("each was asked about once", g_calls, process.exit_status);
  check_equal("with index, limits and place", g_wrong, 0);
  check("it was registered all the time", KeDeregisterBoundCallback(handle) == STATUS_SUCCESS);
}

BARE_TEST(encodings_propagated) {
  be_a_driver();
  check("it is registered", KeRegisterBoundCallback(note_and_pass) != nullptr);
  const Process& process = run_program(encodings, 1);
  check("the program came to its end", process.ending == Ending::Exited);
  check_equal("each was asked about once", g_calls, process.exit_status);
}

BARE_TEST(encodings_nobody_registered) {
  check("the program came to its end", run_program(encodings, 1).ending == Ending::Exited);
}

void run_near_misses(const Program& program, uint64_t least) {
  be_a_driver();
  check("it is registered", KeRegisterBoundCallback(note_and_pass) != nullptr);
  const Process& process = run_program(program, 0);
  check("the program came to its end", process.ending == Ending::Exited);
  check("all were tried", process.exit_status >= least);
  check_equal("nobody was asked", g_calls, 0);
}

BARE_TEST(near_misses_32) { run_near_misses(near32, 13); }
BARE_TEST(near_misses_64) { run_near_misses(near64, 9); }

constinit uint64_t g_addresses[3];

BOUND_CALLBACK_STATUS step_over_mpx() {
  const BoundEvent& event = event_now();
  if (event.source != BoundSource::X86Mpx || event.instruction_length != 4) ++g_wrong;
  if (g_calls < 3) g_addresses[g_calls] = static_cast<uint64_t>(event.index);
  ++g_calls;
  frame_now().Rip += event.instruction_length;
  return BoundExceptionHandled;
}

BARE_TEST(mpx_handled) {
  be_a_driver();
  check("it is registered", KeRegisterBoundCallback(step_over_mpx) != nullptr);
  const Process& process = run_program(mpx, 0);
  check("MPX is there", process.exit_status != 0);
  check_equal("each check that failed was asked about once", g_calls, 3);
  check_equal("as one of MPX", g_wrong, 0);
  check_equal("the address of bndcl", g_addresses[0], process.exit_status - 1);
  check_equal("the address of bndcu", g_addresses[1], process.exit_status + 64);
  check_equal("the address of bndcn", g_addresses[2], process.exit_status + 64);
}

BARE_TEST(mpx_propagated) {
  be_a_driver();
  check("it is registered", KeRegisterBoundCallback(note_and_pass) != nullptr);
  check("MPX is there", run_program(mpx, 1).exit_status != 0);
  check_equal("each was asked about once", g_calls, 3);
}

BOUND_CALLBACK_STATUS leave_for_the_kernel() {
  ++g_calls;
  if (g_calls % 2 == 0) {
    frame_now().SegCs = BARE_KERNEL_CS;
  } else {
    frame_now().Rip = reinterpret_cast<uint64_t>(&leave_for_the_kernel);
    frame_now().SegCs = BARE_USER_CS64;
  }
  return BoundExceptionHandled;
}

// What a callback leaves must be user mode's, or it does not count.
BARE_TEST(frames_of_the_kernel_are_refused) {
  be_a_driver();
  check("it is registered", KeRegisterBoundCallback(leave_for_the_kernel) != nullptr);
  check("each came to the program", run_program(encodings, 1).ending == Ending::Exited);
  check("it was asked", g_calls >= 40);
}

BOUND_CALLBACK_STATUS must_not_be_asked() {
  check("a bound exception of the kernel is not dispatched", false);
  return BoundExceptionHandled;
}

// The record's code and four parameters, which judge.py wants to see, and no other.
void announce_bug_check(uint64_t code, uint64_t p1, uint64_t p2, uint64_t p3, uint64_t p4) {
  std::string line("@bug-check");
  for (const uint64_t value : {code, p1, p2, p3, p4}) line += std::string(" ") + nt::hex(value);
  print_line(line);
}

BARE_TEST(kernel_mode_bound_is_bug_check_7f_5) {
  be_a_driver();
  check("it is registered", KeRegisterBoundCallback(must_not_be_asked) != nullptr);
  announce_bug_check(0x7f, 5, 0, 0, bound_in_kernel());
  raise_bound_in_kernel();
  check("the kernel went on", false);
}

BARE_TEST(kernel_mode_clang_trap_is_bug_check_7f_5) {
  be_a_driver();
  check("it is registered", KeRegisterBoundCallback(must_not_be_asked) != nullptr);
  uint64_t site;
  __asm__ volatile("movq $bare_ud1_site, %0" : "=r"(site));
  announce_bug_check(0x7f, 5, 0, 0, site);
  __asm__ volatile("bare_ud1_site: .byte 0x67, 0x0f, 0xb9, 0x40, 0x12");
  check("the kernel went on", false);
}

// Another exception of the kernel's is not taken for one.
BARE_TEST(kernel_mode_ud2_is_no_bound_exception) {
  uint64_t site;
  __asm__ volatile("movq $bare_ud2_site, %0" : "=r"(site));
  announce_bug_check(0x7f, 6, 0, 0, site);
  __asm__ volatile("bare_ud2_site: ud2");
  check("the kernel went on", false);
}

}  // namespace

}  // namespace kebound::bare
