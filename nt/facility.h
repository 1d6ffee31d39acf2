// SPDX-License-Identifier: Apache-2.0
//
// The bound-callback facility behind Ke{Register,Deregister}BoundCallback: registry, images,
// profile and the rules of CONTRACT that core/ does not know (frames, edits, bug checks, what is
// reported).
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <string>
#include <vector>

#include "core/registry.h"
#include "nt/thread.h"

namespace kebound::nt {

enum class Profile : uint8_t {
  Default,  // chain of 64, edits undone on ContinueSearch
  Windows,  // one slot, /INTEGRITYCHECK flag enforced, edits leak through, 0xCE on a registration
            // left behind
};

// A loaded driver image, or the program itself (built-in callbacks). Owned by whoever loaded it;
// listed in the facility from add_image() to remove_image().
struct Image {
  std::string name;  // base name, as reports show it
  struct Range {
    uint64_t begin = 0;
    uint64_t end = 0;
  };
  static constexpr size_t kMaxRanges = 8;
  Range executable[kMaxRanges] = {};
  size_t executable_count = 0;
  uint64_t base = 0;  // of the mapping that holds all of it, up to end
  uint64_t end = 0;
  void* loader_entry =
      nullptr;  // LDR_DATA_TABLE_ENTRY whose Flags has 0x20 for /INTEGRITYCHECK; null: exempt

  // For describe(); sorted by address, may be empty.
  struct Symbol {
    uint64_t address = 0;
    uint64_t size = 0;  // 0: up to the next one
    std::string name;
  };
  std::vector<Symbol> symbols;

  [[nodiscard]] bool contains_code(uint64_t address) const noexcept;
};

// One callback's answer, in the order of asking.
struct CallbackAnswer {
  const Image* image = nullptr;
  void* routine = nullptr;
  RawAnswer status = 0;
  bool edited = false;  // the frame differed from what the callback was given
};

struct AnswerLog {
  CallbackAnswer entries[kMaxRegistrations];
  size_t count = 0;
};

class Facility {
 public:
  // Before the first driver.
  static void configure(Profile profile, uint16_t instance_tag = 0) noexcept;
  [[nodiscard]] static Profile profile() noexcept;

  static void add_image(Image* image);
  // CONTRACT, Driver life: registrations left behind are a bug check (windows) or are reported,
  // removed and waited for.
  static void remove_image(Image* image);
  // The listed image that holds this code address, null if none.
  [[nodiscard]] static const Image* image_of(uint64_t address) noexcept;
  // "image!symbol+0x1c" or "image+0x1234".
  [[nodiscard]] static std::string describe(uint64_t address);

  // Makes the thread able to dispatch and deregister; once per Thread, which then lives as long as
  // the process.
  static void attach(Thread& thread) noexcept;

  // Asks the callbacks on `thread` about `event`; the frame is at thread.kthread.TrapFrame
  // meanwhile and holds the applied edits only when the verdict is Handled (windows profile: edits
  // leak); so is thread.corrected_index, which the caller reads before the next dispatch. Raises the thread's critical region and restores it; checks IRQL and critical region on
  // the callback's return. An invalid answer and a thread that is already inside a callback are bug
  // checks (do not return). `log` may be null. Allocates nothing. Context: the thread that was
  // enter_thread()ed.
  [[nodiscard]] static DispatchOutcome dispatch(Thread& thread, const BoundEvent& event,
                                                KTRAP_FRAME& frame, AnswerLog* log);

  [[nodiscard]] static Registry& registry() noexcept;
};

}  // namespace kebound::nt
