// SPDX-License-Identifier: Apache-2.0
//
// What an exception costs, in instructions where QEMU counts those instead of time
// (bench/bare/run): then the time stamp counter counts one for each. Lines "@cost WORDS: NUMBER".
#include "tests/bare/programs.h"
#include "trap/x86/recovery_cache.h"

namespace kebound::bare {

namespace {

constexpr uint32_t kRounds = 10'000;

constinit uint64_t g_begin = 0;
constinit uint64_t g_end = 0;

uint64_t time_stamp() {
  uint32_t low;
  uint32_t high;
  __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high));
  return uint64_t{high} << 32 | low;
}

void on_report(Frame& frame) {
  if (frame.vector == kFirstReport) {
    g_begin = time_stamp();
    return;
  }
  g_end = time_stamp();
  end_process(*running_thread().process, Ending::Exited);
}

BOUND_CALLBACK_STATUS step_over() {
  KeGetCurrentThread()->TrapFrame->Rip += 2;
  return BoundExceptionHandled;
}
BOUND_CALLBACK_STATUS pass() { return BoundExceptionContinueSearch; }

// Instructions of one round of the loop.
[[nodiscard]] uint64_t measure(int32_t index, bool own_handler) {
  static Process processes[8];
  static unsigned count = 0;
  Process& process = processes[count++];
  process.id = count;
  process.on_report = on_report;
  const LoopPlaces places = load_loops();
  if (own_handler) process.handler = places.handler;
  if (start_loop(process, places.bound, 0, kRounds, index) == nullptr) panic("no thread");
  wait_for_end(process);
  return (g_end - g_begin + kRounds / 2) / kRounds;
}

void say(const char* words, uint64_t number) {
  print_line(std::string("@cost ") + words + ": " + std::to_string(number));
}

BARE_COST(instructions) {
  stop_timer();
  be_a_driver();
  const uint64_t loop = measure(5, false);
  say("a BOUND that passes, and the loop around it", loop);
  say("nobody registered: to the program's handler and back", measure(12, true) - loop);
  PVOID const handler = KeRegisterBoundCallback(step_over);
  say("handled by a callback", measure(12, false) - loop);
  PVOID const passing = KeRegisterBoundCallback(pass);
  say("handled by the second of two callbacks", measure(12, false) - loop);
  check("both were registered", KeDeregisterBoundCallback(handler) == STATUS_SUCCESS);
  say("asked, nobody's, to the program's handler and back", measure(12, true) - loop);
  check("both were registered", KeDeregisterBoundCallback(passing) == STATUS_SUCCESS);
}

constinit Thread* g_asked = nullptr;

BOUND_CALLBACK_STATUS correct_the_index() {
  g_asked = &running_thread();
  g_asked->nt.corrected_index = event_now().upper;
  return BoundExceptionHandled;
}

BARE_PROGRAM(checks_clang_O0);
BARE_PROGRAM(encodings);

// Asks what the kernel stack of a thread needs; the callback itself needs next to nothing.
void measure_stack(const char* words, const Program& program, uint64_t argument) {
  be_a_driver();
  check("it was registered", KeRegisterBoundCallback(correct_the_index) != nullptr);
  static_cast<void>(run_program(program, argument));
  say(words, stack_used(*g_asked));
}

BARE_COST(stack_for_a_compilers_check) {
  measure_stack("bytes of kernel stack, a compiler's check", checks_clang_O0, 12);
}
BARE_COST(memory) {
  say("bytes of the registry", sizeof(Registry));
  say("bytes for each thread that dispatches", sizeof(DispatchContext));
  say("bytes for recovering compilers' checks", sizeof(x86::RecoveryCache));
}
BARE_COST(stack_for_a_bound) { measure_stack("bytes of kernel stack, a BOUND", encodings, 0); }

}  // namespace

}  // namespace kebound::bare
