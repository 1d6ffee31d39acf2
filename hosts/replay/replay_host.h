// SPDX-License-Identifier: Apache-2.0
//
// A host without a program: presents recorded exceptions to callbacks again. It has what the
// record has: registers, the code at the check, the pair of bounds. A callback that touches any
// other memory of the user's cannot be told what was there, and is stopped where it tries.
#pragma once

#include <stdint.h>

#include <memory>
#include <string>
#include <vector>

#include "events/record.h"
#include "nt/facility.h"
#include "nt/host.h"
#include "trap/x86/registers.h"

namespace kebound::replay {

struct Options {
  nt::Profile profile = nt::Profile::Default;
  unsigned seconds = 10;  // a callback that has not answered by then is given up
};

// What the callbacks said, and what would have come of it.
struct Replayed {
  enum class Kind : uint8_t {
    Answered,
    NeedsMemory,  // a callback touched memory that the record does not have
    NoAnswer,     // it did not come back
    HostDead,     // a bug check; see ReplayHost::bug_check_record()
  };
  Kind kind = Kind::HostDead;
  std::string why;  // if not Answered
  events::Disposition disposition = events::Disposition::Propagated;
  x86::Registers after;
  std::string reason;  // why not otherwise
  std::vector<events::Answer> answers;
};

// One per process; sets itself as nt::host(). A thread whose callback was given up, or raised a bug
// check, never runs again; its driver must not be unloaded.
class ReplayHost final : public nt::Host {
 public:
  // Throws std::system_error when no thread can be had.
  explicit ReplayHost(const Options& options);
  ~ReplayHost() override;

  // Runs `fn` as driver code on a thread of its own and waits for it. False: the host died in it.
  [[nodiscard]] bool run_driver_code(void (*fn)(void*), void* argument);

  // Asks the callbacks about a recorded exception. Context: one thread.
  [[nodiscard]] Replayed present(const events::BoundException& recorded);

  // A thread with driver code on it was given up.
  [[nodiscard]] bool driver_left() const;
  [[nodiscard]] bool dead() const;
  [[nodiscard]] nt::BugCheck bug_check_record() const;
  // What drivers printed and what the verifier objected to since the last call, in order.
  [[nodiscard]] std::vector<events::Record> take_records();

  // nt::Host
  void debug_output(const nt::DebugOutput& output) override;
  void violation(const nt::Violation& violation) override;
  [[noreturn]] void bug_check(const nt::BugCheck& bug_check) override;
  [[nodiscard]] bool address_valid(uint64_t address) override;

  // The calling thread's driver code touched memory that is not there. Context: the fault's
  // handler.
  [[noreturn]] void give_up(const std::string& why, bool is_memory);

 private:
  struct State;
  struct Worker;
  void ensure_worker();
  static void serve(State& state, Worker& worker);

  const Options options_;
  State* state_;  // lives as long as the process: threads that never run again refer to it
};

// replay_fault.cc: catches the faults of driver code, and keeps what a 32-bit program would have
// its memory in free, so that no address of the record happens to be one of ours.
void install_fault_handlers(ReplayHost& host);
// The user's memory that the record has, until the next call. Driver code reads it at its
// addresses.
void set_known_memory(const events::BoundException& recorded) noexcept;
[[nodiscard]] bool is_known_memory(uint64_t address) noexcept;

}  // namespace kebound::replay
