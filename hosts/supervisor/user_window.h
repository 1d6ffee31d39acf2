// SPDX-License-Identifier: Apache-2.0
//
// The user's memory at the user's addresses. On NT a callback runs in the context of the faulting
// process and dereferences the pointers that it finds in the frame. Here it runs in the supervisor:
// the first touch of a user page faults, the page is read from the target and mapped at its own
// address; what the driver changed is written back when it finishes or waits, before the thread
// resumes.
//
// 64 KiB .. 4 GiB is reserved for this, so that every address of a 32-bit program works. Above, a
// page is mapped where the supervisor has nothing itself; overlaps() names what it has.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <condition_variable>
#include <mutex>
#include <string>

namespace kebound::supervisor {

// An address space as the window tells them apart: a process between two execs.
struct UserSpace {
  pid_t pid = 0;
  uint64_t id = 0;  // unique in this supervisor, never 0
};

class UserWindow {
 public:
  enum class PageIn : uint8_t {
    Done,         // the access can run again
    NotMapped,    // the target has no such page, or may not access it this way
    Unreachable,  // the supervisor has something else there
  };

  UserWindow();
  UserWindow(const UserWindow&) = delete;
  UserWindow& operator=(const UserWindow&) = delete;
  ~UserWindow();

  // The calling thread runs driver code on behalf of this space until leave(). Threads of one space
  // come in together; another space's waits until they are out. May block (never where all driver
  // code runs on one thread).
  void enter(const UserSpace& space);
  // Writes back what was changed. False when some of it could not be written any more.
  bool leave();

  // Brings the page in that the calling thread's driver code faulted on. Context: the handler of
  // that fault.
  [[nodiscard]] PageIn page_in(uint64_t address, bool write) noexcept;

  // True between the calling thread's enter() and leave().
  [[nodiscard]] static bool inside() noexcept;

  // The ranges of `pid` that the window cannot show because the supervisor uses them, for a report;
  // empty: none.
  [[nodiscard]] static std::string overlaps(pid_t pid);

 private:
  static constexpr size_t kMaxPages = 1024;
  // Pages that stay mapped between two callbacks and are read again in one request, instead of
  // faulting again: a driver that looks at the same code and stack each time takes no fault.
  static constexpr size_t kHotPages = 8;
  // After so many entries the hot pages are dropped, so that those no longer touched go away.
  static constexpr unsigned kForgetAfter = 1024;

  struct Page {
    uint64_t address = 0;
    bool writable = false;
  };

  [[nodiscard]] unsigned char* alias(size_t slot) const noexcept;
  [[nodiscard]] unsigned char* pristine(size_t slot) const noexcept;
  [[nodiscard]] bool map_page(size_t slot, uint64_t address, bool write) noexcept;
  void unmap_page(const Page& page) noexcept;
  void drop_from(size_t first) noexcept;
  [[nodiscard]] bool write_back(size_t slot) noexcept;
  void flush() noexcept;
  void refresh() noexcept;
  void lock_pages() noexcept;
  void unlock_pages() noexcept;

  int fd_ = -1;  // the pages' memory, mapped twice: at the user's address and in alias_
  unsigned char* alias_ = nullptr;     // kMaxPages pages, always writable
  unsigned char* pristine_ = nullptr;  // the same pages as they were read
  bool low_reserved_ = false;

  std::mutex gate_;
  std::condition_variable gate_open_;
  size_t inside_count_ = 0;  // guarded by gate_
  UserSpace owner_;          // changed only while nobody is inside

  // Taken in fault handlers: a spin lock whose holder never faults.
  uint32_t pages_lock_ = 0;
  Page pages_[kMaxPages];
  size_t count_ = 0;
  size_t victim_ = 0;
  unsigned entries_ = 0;
  bool all_flushed_ =
      true;  // false: a flush() could not write something back; told at the next leave()
};

}  // namespace kebound::supervisor
