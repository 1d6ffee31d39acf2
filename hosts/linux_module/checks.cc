// SPDX-License-Identifier: Apache-2.0
#include "hosts/linux_module/checks.h"

#include "hosts/kernel/user_return.h"
#include "hosts/linux_module/classify.h"
#include "hosts/linux_module/complaints.h"
#include "hosts/linux_module/kebound_module.h"
#include "trap/elf/unwind_table.h"
#include "trap/x86/check_recovery.h"
#include "trap/x86/recovery_cache.h"
#include "trap/x86/resume_writes.h"
#include "trap/x86/trap_numbers.h"

namespace kebound::linux_module {

namespace {

constexpr uint64_t kPage = 4096;

// An image of the address space that a workplace knows. All zero: none.
struct KnownImage {
  kb_mapped_file file;
  bool is_elf;
  bool is_searched;  // for whether it
  bool numbers_its_traps;
  elf::Image image;
};

// What is known about one address space: its traps, as long as the files are where they were.
constexpr unsigned kImages = 8;
struct Workplace {
  alignas(x86::RecoveryCache) unsigned char cache[sizeof(x86::RecoveryCache)];
  KnownImage images[kImages];
  uint32_t next;  // the image that makes room for another one
};

[[nodiscard]] bool is_same(const kb_mapped_file& a, const kb_mapped_file& b) noexcept {
  return a.begin == b.begin && a.end == b.end && a.device == b.device && a.inode == b.inode;
}

// The process' memory without waiting for it: notes the first page that was not there, and reads
// nothing more then.
class ResidentMemory {
 public:
  [[nodiscard]] MemoryReader reader() noexcept { return {this, read_some}; }
  [[nodiscard]] bool missed() const noexcept { return missed_; }

  // Has what was missed come, outside of the workplace. False: no more of this.
  [[nodiscard]] bool fetch() noexcept {
    // One that reads on and on gets more each time: a text that is searched from its beginning
    // would otherwise be searched as often as it has pages.
    wanted_ = address_ == fetched_end_ ? wanted_ * 4 : kFirst;
    if (wanted_ < size_) wanted_ = size_;
    if (wanted_ > kMost) wanted_ = kMost;
    const size_t got = kb_fault_in(address_, wanted_);
    missed_ = false;
    fetched_end_ = (address_ + got) & ~(kPage - 1);
    if (got != 0) return true;
    if (absent_count_ == kMaxAbsent) return false;
    absent_[absent_count_++] = address_;
    return true;
  }

 private:
  static constexpr size_t kFirst = 16 << 10;
  static constexpr size_t kMost = 8 << 20;
  static constexpr unsigned kMaxAbsent = 16;

  [[nodiscard]] bool is_absent(uint64_t page) const noexcept {
    for (unsigned i = 0; i < absent_count_; ++i) {
      if (absent_[i] == page) return true;
    }
    return false;
  }

  static size_t read_some(void* self, uint64_t address, void* buffer, size_t size) noexcept {
    auto& memory = *static_cast<ResidentMemory*>(self);
    if (memory.missed_) return 0;
    const size_t done = kb_read_resident(address, buffer, size);
    const uint64_t page = (address + done) & ~(kPage - 1);
    if (done != size && !memory.is_absent(page)) {
      memory.missed_ = true;
      memory.address_ = page;
      memory.size_ = size - done;
    }
    return done;
  }

  bool missed_ = false;
  uint64_t address_ = 0;
  size_t size_ = 0;
  size_t wanted_ = 0;
  uint64_t fetched_end_ = 0;
  unsigned absent_count_ = 0;
  uint64_t absent_[kMaxAbsent];  // pages that do not come
};

// One look at a trap, in a workplace.
class Look {
 public:
  Look(Workplace& place, bool is_new, ResidentMemory& memory) noexcept
      : place_(place), memory_(memory) {
    if (is_new) forget_all();
  }

  [[nodiscard]] bool run(const kb_mapped_file* file, bool is_ud1, const x86::Registers& registers,
                         BoundEvent& event, x86::Recovery& recovery) noexcept {
    x86::RecoverySource source;
    source.mode = registers.cs == kUserCode64 ? x86::CodeMode::Bits64 : x86::CodeMode::Bits32;
    source.memory = memory_.reader();
    source.functions = {this, find_function};
    known_ = file != nullptr ? &image_of(*file) : nullptr;
    // All of the text is searched for that; a ud2 has no number.
    source.evidence.unique_traps = is_ud1 && known_ != nullptr && numbers_its_traps(*known_);
    const bool found =
        !memory_.missed() && x86::recover_check(source, registers, cache(), event, recovery);
    // What was found out in part is not to be remembered.
    if (memory_.missed()) forget_all();
    return found;
  }

 private:
  [[nodiscard]] x86::RecoveryCache& cache() noexcept {
    return x86::RecoveryCache::in_zeroed(place_.cache);
  }

  void forget_all() noexcept {
    x86::forget_code(cache(), {0, ~uint64_t{0}});
    for (KnownImage& image : place_.images) image = {};
  }
  void forget(KnownImage& image) noexcept {
    x86::forget_code(cache(), {image.file.begin, image.file.end});
    image = {};
  }

  // Another file where one was: nothing that is known about its code is true any more.
  [[nodiscard]] KnownImage& image_of(const kb_mapped_file& file) noexcept {
    for (KnownImage& image : place_.images) {
      if (is_same(image.file, file)) return image;
      if (image.file.begin < file.end && file.begin < image.file.end) forget(image);
    }
    KnownImage& image = place_.images[place_.next++ % kImages];
    forget(image);
    image.file = file;
    elf::ProgramHeaders headers;
    image.is_elf = elf::find_program_headers(file.begin, memory_.reader(), headers) &&
                   elf::read_image(headers, memory_.reader(), image.image);
    return image;
  }

  [[nodiscard]] bool numbers_its_traps(KnownImage& image) noexcept {
    for (unsigned i = 0; image.is_elf && !image.is_searched && i < image.image.text_count; ++i) {
      image.numbers_its_traps |=
          x86::numbers_its_traps(image.image.text[i], image.image.mode, memory_.reader());
    }
    image.is_searched = true;
    return image.numbers_its_traps;
  }

  static bool find_function(void* self, uint64_t address, x86::CodePlace& out) noexcept {
    const auto& look = *static_cast<Look*>(self);
    if (look.known_ == nullptr || !look.known_->is_elf) return false;
    const elf::Image& image = look.known_->image;
    const x86::CodeRange* const text = elf::text_around(image, address);
    if (text == nullptr) return false;
    out.text = *text;
    return elf::function_around(image, address, look.memory_.reader(), out.function);
  }

  Workplace& place_;
  ResidentMemory& memory_;
  KnownImage* known_ = nullptr;
};

// How often a look is interrupted for pages: a search in a table of a million functions meets
// twenty.
constexpr unsigned kMaxLooks = 64;

enum class Outcome : uint8_t { Found, None, Undecided };

[[nodiscard]] Outcome look_at(bool is_ud1, const x86::Registers& registers, BoundEvent& event,
                              x86::Recovery& recovery) noexcept {
  kb_mapped_file file;
  const bool has_file = kb_find_file(registers.rip, &file) != 0;
  ResidentMemory memory;
  for (unsigned i = 0; i < kMaxLooks; ++i) {
    int is_new = 0;
    auto* const place = static_cast<Workplace*>(kb_take_workplace(sizeof(Workplace), &is_new));
    if (place == nullptr) return Outcome::Undecided;
    const bool found = Look(*place, is_new != 0, memory)
                           .run(has_file ? &file : nullptr, is_ud1, registers, event, recovery);
    kb_give_workplace(place);
    if (!memory.missed()) return found ? Outcome::Found : Outcome::None;
    if (!memory.fetch()) break;
  }
  return Outcome::Undecided;
}

}  // namespace

bool recover_exception(TaskThread& thread) noexcept {
  BoundEvent event;
  const Outcome outcome = look_at(thread.event.source == BoundSource::ClangTrap, thread.at_fault,
                                  event, thread.recovery);
  if (outcome == Outcome::Found) {
    thread.event = event;
    thread.at_fault.rip = event.ip;
    return true;
  }
  thread.recovery = {};
  if (outcome == Outcome::None || thread.event.check != CheckKind::ArrayBounds) return false;
  // This ud1 says by itself what it is; where its check is stays unknown.
  thread.event.doubt = Doubt::CodeUnreadable;
  return true;
}

bool resume_check(const Registration& who, TaskThread& thread, x86::Registers& wanted) {
  const nt::Thread& asked = thread.thread;
  const int64_t* const corrected =
      asked.corrected_index.has_value() ? &*asked.corrected_index : nullptr;
  const x86::ResumePlan plan =
      x86::plan_resumption(thread.event, thread.recovery, thread.at_fault, corrected, wanted);
  if (plan.verdict != x86::Resumption::Resume) {
    complain_once(who, "handled-refused", x86::resumption_text(plan.verdict));
    return false;
  }
  if (const char* why = objection_to_return(wanted, thread.at_fault, kb_user_end())) {
    complain_once(who, "frame-refused", why);
    return false;
  }
  const auto read = [](uint64_t address, void* buffer, size_t size) {
    return kb_copy_from_user(address, buffer, size) != 0;
  };
  const auto write = [](uint64_t address, const void* buffer, size_t size) {
    return kb_copy_to_user(address, buffer, size) != 0;
  };
  if (!x86::carry_out_writes(plan, read, write)) {
    complain_once(who, "handled-refused", x86::kWritesRefused);
    return false;
  }
  // What it does now is not in its registers alone.
  if (plan.write_count != 0) thread.livelock.forget();
  return true;
}

}  // namespace kebound::linux_module

extern "C" int kebound_set_index(const kebound_event* event, kebound_registers* registers,
                                 int64_t index) {
  using namespace kebound::linux_module;
  constexpr int kInvalid = -22;       // -EINVAL
  constexpr int kNotSupported = -95;  // -EOPNOTSUPP
  if (!event->resumable || event->confidence == KEBOUND_CONFIDENCE_UNKNOWN) return kNotSupported;
  if (event->source == KEBOUND_SOURCE_X86_BOUND) {
    uint64_t& gpr = registers->gpr[event->index_register & 15];
    const uint64_t mask = event->index_width == 16 ? 0xffff : 0xffffffff;
    gpr = (gpr & ~mask) | (static_cast<uint64_t>(index) & mask);
    return 0;
  }
  // Only a callback that may sleep is shown a check that can be resumed.
  TaskThread* const thread = running_thread();
  if (thread == nullptr || thread->thread.event == nullptr) return kInvalid;
  thread->thread.corrected_index = index;
  registers->index_corrected = 1;
  return 0;
}
