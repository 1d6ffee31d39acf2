// SPDX-License-Identifier: Apache-2.0
//
// Event records: all that a host tells the world, and all that report/ sees of it. Made on a hot path:
// what repeats (names, module maps) is shared, never copied.
#pragma once

#include <stdint.h>

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "trap/bound_event.h"
#include "trap/x86/registers.h"

namespace kebound::events {

// For the time_ns of records: CLOCK_REALTIME. Context: anywhere, signal handlers included.
[[nodiscard]] int64_t realtime_ns() noexcept;

using SharedName = std::shared_ptr<const std::string>;

// One file mapping of the target, as it was when the event was taken.
struct Mapping {
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t file_offset = 0;
  bool executable = false;
  std::string path;       // as the target sees it; "[vdso]", "[stack]" and the like for no file
  std::string open_path;  // where this process can open the same file: path, /proc/PID/root/..., or /proc/self/fd/N
  // Where the event itself says which build of the file was mapped (bytes), and where: what is at open_path by now, and
  // has another build ID, is not that file.
  std::string build_id = {};
  std::optional<uint64_t> bias = std::nullopt;  // the file's own addresses + bias = addresses in memory
};

// Mappings of one address space, sorted by begin. Immutable; a new one is made when the target's changed.
struct ModuleMap {
  uint64_t generation = 0;  // unique per made map in this process: a cache key
  bool is_64bit = false;    // of the ELF program: the class its modules have
  std::vector<Mapping> mappings;
  std::vector<int> kept_fds;  // open while the map lives: files that were deleted or are in another mount namespace
  std::shared_ptr<const ModuleMap> source;  // that this one was made from, and whose descriptors it uses; mostly null
  ModuleMap() = default;
  ModuleMap(const ModuleMap&) = delete;
  ModuleMap& operator=(const ModuleMap&) = delete;
  ~ModuleMap();
};

// The target's stack at the stop, for unwinding later, off the hot path.
struct StackSnapshot {
  uint64_t address = 0;  // of bytes[0]: the stack pointer
  std::vector<uint8_t> bytes;
};

struct Answer {
  SharedName driver;
  SharedName callback;  // "repair!on_bound" or "repair+0x1190"
  uint32_t status = 0;  // BOUND_CALLBACK_STATUS
  bool edited = false;  // the callback changed the frame
};

enum class Disposition : uint8_t { Handled, Propagated, Terminated };
[[nodiscard]] constexpr const char* disposition_name(Disposition disposition) noexcept {
  switch (disposition) {
    case Disposition::Handled: return "handled";
    case Disposition::Propagated: return "propagated";
    case Disposition::Terminated: return "terminated";
  }
  return "unknown";
}

// A bound exception, and what became of it.
struct BoundException {
  int64_t time_ns = 0;  // CLOCK_REALTIME
  int32_t pid = 0;
  int32_t tid = 0;
  SharedName program;      // path of the executable
  SharedName thread_name;  // comm
  BoundEvent event;
  x86::Registers before;  // at the check, as callbacks see them
  x86::Registers after;   // as resumed; equal to before unless Handled
  uint8_t code[15] = {};
  uint8_t code_size = 0;
  std::vector<Answer> answers;
  Disposition disposition = Disposition::Propagated;
  SharedName rule;     // that the built-in driver went by, "rules.txt:12"; null if by none
  std::string detail;  // what the check says of itself: an assertion's text, "memcpy"; mostly empty
  std::string reason;  // why not otherwise: "livelock: ...", "clamp refused: bounds are reversed"; mostly empty
  std::shared_ptr<const ModuleMap> modules;
  std::shared_ptr<const StackSnapshot> stack;  // null where the same place was captured before
};

struct DriverOutput {
  int64_t time_ns = 0;
  int32_t pid = 0;  // of the target thread on whose behalf the driver ran, 0 if none
  int32_t tid = 0;
  std::string driver;
  uint32_t component = 0;
  uint32_t level = 0;
  std::string text;
};

struct BugCheckRecord {
  int64_t time_ns = 0;
  int32_t pid = 0;
  int32_t tid = 0;
  uint32_t code = 0;
  uint64_t parameters[4] = {};
  std::string driver;
  std::string callback;
  std::string explanation;
};

// Something Driver Verifier would object to, or a promise of kebound's that the target made impossible.
struct VerifierRecord {
  int64_t time_ns = 0;
  int32_t pid = 0;
  int32_t tid = 0;
  std::string rule;
  std::string driver;
  std::string callback;
  std::string message;
  uint64_t events_missing = 0;  // that the report does not have, where that is what it says
};

struct DriverLoaded {
  int64_t time_ns = 0;
  std::string driver;
  std::string path;
};
struct DriverUnloaded {
  int64_t time_ns = 0;
  std::string driver;
};

// A program began (the first one, after exec, or found by attach) or a process ended.
struct ProcessStarted {
  int64_t time_ns = 0;
  int32_t pid = 0;
  int32_t parent = 0;
  std::string program;
  bool is_64bit = false;
};
struct ProcessExited {
  int64_t time_ns = 0;
  int32_t pid = 0;
  bool signaled = false;
  int32_t status = 0;  // exit status, or the signal's number
};

using Record = std::variant<BoundException, DriverOutput, BugCheckRecord, VerifierRecord, DriverLoaded,
                            DriverUnloaded, ProcessStarted, ProcessExited>;

// Where a host puts its records. Context: any thread, may block when the reader is behind (an event is
// never dropped by the supervisor), never a signal handler.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual void accept(Record&& record) = 0;
};

}  // namespace kebound::events
