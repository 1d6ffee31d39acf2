// SPDX-License-Identifier: Apache-2.0
#include "hosts/supervisor/user_window.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "hosts/supervisor/address_ranges.h"
#include "hosts/supervisor/target_memory.h"

namespace kebound::supervisor {
namespace {

constexpr uint64_t kLowBegin = 0x10000;
constexpr uint64_t kLowEnd = uint64_t{1} << 32;
constexpr uint64_t kUserEnd = uint64_t{1} << 47;

thread_local bool thread_inside = false;

[[nodiscard]] bool is_low(uint64_t address) noexcept {
  return address >= kLowBegin && address < kLowEnd;
}

void* at(uint64_t address) noexcept { return reinterpret_cast<void*>(address); }

unsigned char* map_arena(size_t size, int flags, int fd) {
  void* const arena = mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, fd, 0);
  if (arena == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "user window");
  return static_cast<unsigned char*>(arena);
}

}  // namespace

UserWindow::UserWindow() {
  constexpr size_t size = kMaxPages * kPageSize;
  fd_ = memfd_create("kebound-user-window", MFD_CLOEXEC);
  if (fd_ < 0 || ftruncate(fd_, size) != 0) {
    throw std::system_error(errno, std::generic_category(), "user window");
  }
  alias_ = map_arena(size, MAP_SHARED | MAP_NORESERVE, fd_);
  pristine_ = map_arena(size, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
  // Under a limit on address space (RLIMIT_AS) this may fail: then low pages are mapped like high
  // ones.
  low_reserved_ = mmap(at(kLowBegin), kLowEnd - kLowBegin, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1,
                       0) == at(kLowBegin);
}

UserWindow::~UserWindow() {
  drop_from(0);
  if (low_reserved_) munmap(at(kLowBegin), kLowEnd - kLowBegin);
  munmap(alias_, kMaxPages * kPageSize);
  munmap(pristine_, kMaxPages * kPageSize);
  close(fd_);
}

bool UserWindow::inside() noexcept { return thread_inside; }

unsigned char* UserWindow::alias(size_t slot) const noexcept { return alias_ + slot * kPageSize; }
unsigned char* UserWindow::pristine(size_t slot) const noexcept {
  return pristine_ + slot * kPageSize;
}

void UserWindow::lock_pages() noexcept {
  while (__atomic_exchange_n(&pages_lock_, 1, __ATOMIC_ACQUIRE) != 0) sched_yield();
}
void UserWindow::unlock_pages() noexcept { __atomic_store_n(&pages_lock_, 0, __ATOMIC_RELEASE); }

void UserWindow::enter(const UserSpace& space) {
  std::unique_lock gate(gate_);
  gate_open_.wait(gate, [&] { return inside_count_ == 0 || owner_.id == space.id; });
  lock_pages();
  if (++inside_count_ == 1) {
    if (owner_.id != space.id || ++entries_ % kForgetAfter == 0) drop_from(0);
    owner_ = space;
    refresh();
  } else {
    // This callback has to see memory as it is now, and others are using the pages. Taken away
    // under them: an access meanwhile faults, waits for the lock, and brings the page in again.
    flush();
  }
  unlock_pages();
  thread_inside = true;
}

bool UserWindow::leave() {
  thread_inside = false;
  const std::scoped_lock gate(gate_);
  lock_pages();
  bool all_written = std::exchange(all_flushed_, true);
  for (size_t slot = 0; slot < count_; ++slot) all_written &= write_back(slot);
  if (--inside_count_ == 0) drop_from(kHotPages);
  unlock_pages();
  if (inside_count_ == 0) gate_open_.notify_all();
  return all_written;
}

UserWindow::PageIn UserWindow::page_in(uint64_t address, bool write) noexcept {
  if (address >= kUserEnd) return PageIn::NotMapped;
  const uint64_t page = page_of(address);
  const TargetMemory memory(owner_.pid);
  lock_pages();
  size_t slot = 0;
  while (slot < count_ && pages_[slot].address != page) ++slot;
  PageIn result = PageIn::NotMapped;
  if (slot < count_) {
    // It is here: another thread was faster, or a write to a page that was brought in for reading.
    if (!write || pages_[slot].writable) {
      result = PageIn::Done;
    } else if (is_writable(owner_.pid, page)) {
      pages_[slot].writable = mprotect(at(page), kPageSize, PROT_READ | PROT_WRITE) == 0;
      result = pages_[slot].writable ? PageIn::Done : PageIn::Unreachable;
    }
    unlock_pages();
    return result;
  }
  unsigned char bytes[kPageSize];
  if (memory.read(page, bytes, kPageSize) && (!write || is_writable(owner_.pid, page))) {
    if (slot == kMaxPages) {
      slot = victim_++ % kMaxPages;
      // A failure to write is told at leave() as well: the page is gone from the target.
      static_cast<void>(write_back(slot));
      unmap_page(pages_[slot]);
      pages_[slot] = Page{};
    }
    memcpy(alias(slot), bytes, kPageSize);
    memcpy(pristine(slot), bytes, kPageSize);
    if (map_page(slot, page, write)) {
      pages_[slot] = {page, write};
      count_ = std::max(count_, slot + 1);
      result = PageIn::Done;
    } else {
      result = PageIn::Unreachable;
    }
  }
  unlock_pages();
  return result;
}

bool UserWindow::map_page(size_t slot, uint64_t address, bool write) noexcept {
  const int protection = write ? PROT_READ | PROT_WRITE : PROT_READ;
  const int fixed = low_reserved_ && is_low(address) ? MAP_FIXED : MAP_FIXED_NOREPLACE;
  return mmap(at(address), kPageSize, protection, MAP_SHARED | fixed, fd_,
              static_cast<off_t>(slot * kPageSize)) == at(address);
}

void UserWindow::unmap_page(const Page& page) noexcept {
  if (page.address == 0) return;  // an evicted one whose successor could not be mapped
  if (low_reserved_ && is_low(page.address)) {
    mmap(at(page.address), kPageSize, PROT_NONE,
         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  } else {
    munmap(at(page.address), kPageSize);
  }
}

void UserWindow::drop_from(size_t first) noexcept {
  for (size_t slot = first; slot < count_; ++slot) unmap_page(pages_[slot]);
  count_ = std::min(count_, first);
}

// Only the bytes that the driver changed: the target's other threads go on writing to the same
// page.
bool UserWindow::write_back(size_t slot) noexcept {
  if (!pages_[slot].writable || memcmp(alias(slot), pristine(slot), kPageSize) == 0) return true;
  const TargetMemory memory(owner_.pid);
  unsigned char now[kPageSize];  // a driver thread of the same space may still be writing
  memcpy(now, alias(slot), kPageSize);
  bool all_written = true;
  for (size_t i = 0; i < kPageSize;) {
    if (now[i] == pristine(slot)[i]) {
      ++i;
      continue;
    }
    const size_t begin = i;
    while (i < kPageSize && now[i] != pristine(slot)[i]) ++i;
    all_written &= memory.write(pages_[slot].address + begin, now + begin, i - begin);
  }
  memcpy(pristine(slot), now, kPageSize);
  return all_written;
}

// Unmapped first, written back from the alias after: nobody writes to what is being compared.
void UserWindow::flush() noexcept {
  for (size_t slot = 0; slot < count_; ++slot) {
    unmap_page(pages_[slot]);
    all_flushed_ &= write_back(slot);
  }
  count_ = 0;
}

void UserWindow::refresh() noexcept {
  if (count_ == 0) return;
  iovec local[kHotPages];
  iovec remote[kHotPages];
  const size_t count = std::min(count_, kHotPages);
  for (size_t slot = 0; slot < count; ++slot) {
    local[slot] = {alias(slot), kPageSize};
    remote[slot] = {at(pages_[slot].address), kPageSize};
  }
  const ssize_t wanted = static_cast<ssize_t>(count * kPageSize);
  if (process_vm_readv(owner_.pid, local, count, remote, count, 0) != wanted) {
    drop_from(0);  // one of them is gone from the target
    return;
  }
  for (size_t slot = 0; slot < count; ++slot) memcpy(pristine(slot), alias(slot), kPageSize);
}

std::string UserWindow::overlaps(pid_t pid) { return describe_overlaps(pid, kLowEnd); }

}  // namespace kebound::supervisor
