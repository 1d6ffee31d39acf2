// SPDX-License-Identifier: Apache-2.0
#include "tests/bare/programs.h"

#include "hosts/bare/memory.h"

namespace kebound::bare {

namespace {

extern "C" const uint8_t loops[], loops_bound[], loops_forever[], loops_handler[], loops_end[];

constexpr uint64_t kLoopsAt = 0x400000;
constexpr uint64_t kLimitsAt = kLoopsAt + kPageSize;

}  // namespace

void be_a_driver() {
  static nt::Image image;
  describe_driver(image, "tests");
  nt::Facility::add_image(&image);
}

const Process& run_program(const Program& program, uint64_t argument) {
  static Process process;
  process = {};
  process.id = 1;
  UserStart start;
  const auto size = static_cast<size_t>(program.end - program.file);
  if (!load_program(process, program.file, size, start.entry) ||
      !map_user(kStackAt, kUserStackSize))
    panic("a program cannot be loaded");
  constexpr uint8_t kClass64 = 2;
  start.code_selector = program.file[4] == kClass64 ? BARE_USER_CS64 : BARE_USER_CS32;
  start.stack_top = kStackAt + kUserStackSize;
  start.rax = argument;
  if (start_user_thread(process, start) == nullptr) panic("a program cannot be started");
  wait_for_end(process);
  return process;
}

LoopPlaces load_loops() {
  constexpr int32_t kLimits[2] = {0, 9};
  const auto size = static_cast<size_t>(loops_end - loops);
  if (!map_user(kLoopsAt, size) || !map_user(kLimitsAt, sizeof kLimits) ||
      !map_user(kStackAt, 8 * kPageSize) || write_user(kLoopsAt, loops, size) != size)
    panic("the loops have no room");
  write_user(kLimitsAt, kLimits, sizeof kLimits);
  const auto place = [](const uint8_t* at) { return kLoopsAt + static_cast<uint64_t>(at - loops); };
  return {place(loops_bound), place(loops_forever), place(loops_handler)};
}

Thread* start_loop(Process& process, uint64_t entry, unsigned number, uint32_t rounds,
                   int32_t index) {
  return start_user_thread(process, {.entry = entry,
                                     .stack_top = kStackAt + (number + 1) * kPageSize,
                                     .code_selector = BARE_USER_CS32,
                                     .rax = rounds,
                                     .rdx = kLimitsAt,
                                     .rbx = static_cast<uint32_t>(index)});
}

}  // namespace kebound::bare
