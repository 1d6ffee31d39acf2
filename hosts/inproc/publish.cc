// SPDX-License-Identifier: Apache-2.0
#include "hosts/inproc/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/atomic.h"
#include "hosts/inproc/bug_check.h"
#include "hosts/inproc/image.h"
#include "hosts/inproc/machine.h"
#include "hosts/inproc/thread_state.h"

namespace kebound::inproc {
constinit bool g_publishing = false;

namespace {

struct Ring {
  kebound_ring_header* header = nullptr;
  kebound_ring_record* records = nullptr;
  uint64_t capacity = 0;  // our own copy: the file is anybody's
};
constinit Ring g_ring;
constinit bool g_text = false;
constinit uint64_t g_builtin = 0;
constinit char g_program[KEBOUND_RING_PATH];  // empty where it is longer

uint64_t load(const uint64_t& word, MemoryOrder order) noexcept {
  return __atomic_load_n(&word, static_cast<int>(order));
}

// One record between its number and its completion.
class Entry {
 public:
  explicit Entry(unsigned kind) noexcept {
    kebound_ring_header& header = *g_ring.header;
    uint64_t head = load(header.head, MemoryOrder::Relaxed);
    do {
      // Acquire, pairs with the reader's release of tail: it has copied the record we overwrite.
      if (head - load(header.tail, MemoryOrder::Acquire) >= g_ring.capacity) {
        __atomic_fetch_add(&header.dropped, 1, __ATOMIC_RELAXED);
        return;
      }
    } while (!__atomic_compare_exchange_n(&header.head, &head, head + 1, false, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    number_ = head;
    record_ = &g_ring.records[head % g_ring.capacity];
    // All but the sequence, which still says that this is an old record.
    memset(&record_->time_ns, 0, sizeof *record_ - offsetof(kebound_ring_record, time_ns));
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    record_->time_ns = int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
    record_->pid = getpid();
    record_->tid = static_cast<int32_t>(syscall(SYS_gettid));
    record_->kind = static_cast<uint8_t>(kind);
    record_->is_64bit = sizeof(void*) == 8;
    syscall(SYS_prctl, PR_GET_NAME, record_->thread_name, 0, 0, 0);
  }
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;
  ~Entry() {
    // Pairs with the reader's acquire of the sequence.
    if (record_ != nullptr) __atomic_store_n(&record_->sequence, number_ + 1, __ATOMIC_RELEASE);
  }

  [[nodiscard]] explicit operator bool() const noexcept { return record_ != nullptr; }
  kebound_ring_record* operator->() const noexcept { return record_; }

  // The file that has the code at `ip`.
  void place(uint64_t ip) const noexcept {
    const Image image = image_of(ip);
    if (!image.found()) return;
    const char* const path = *image.path != '\0' ? image.path : g_program;
    const size_t length = strlen(path);
    if (*path != '/' || length >= sizeof record_->image) return;
    memcpy(record_->image, path, length);
    record_->image_bias = image.bias;
    record_->image_is_program = *image.path == '\0';
  }

  void text(const char* words) const noexcept { put(record_->text, words); }
  void detail(const char* words) const noexcept { put(record_->detail, words); }

 private:
  template <size_t N>
  static void put(char (&field)[N], const char* words) noexcept {
    size_t length = strlen(words);
    if (length >= N) length = N - 1;
    memcpy(field, words, length);
  }

  kebound_ring_record* record_ = nullptr;
  uint64_t number_ = 0;
};

}  // namespace

bool has_ring() noexcept { return g_ring.header != nullptr; }

kebound_ring_header* ring_header() noexcept { return g_ring.header; }

void set_builtin_routine(const void* routine) noexcept {
  g_builtin = reinterpret_cast<uintptr_t>(routine);
}

void set_text_report(bool on) noexcept {
  g_text = on;
  g_publishing = on || has_ring();
}

namespace {

void write_text(const kebound_event& event, unsigned disposition, const char* reason) noexcept {
  static constexpr const char* kDispositions[] = {"handled", "propagated", "terminated"};
  Line line;
  line.text("kebound: bound exception at ").place(event.ip);
  if (event.confidence == KEBOUND_CONFIDENCE_UNKNOWN) {
    line.text(": an array index out of range");
  } else {
    line.text(": index ").decimal(event.index).text(" is not in ").decimal(event.lower);
    line.text("..").decimal(event.upper);
  }
  line.text("; thread ").decimal(syscall(SYS_gettid)).text("; ");
  line.text(kDispositions[disposition]);
  if (*reason != '\0') line.text(": ").text(reason);
  line.write();
}

}  // namespace

void publish_exception(const kebound_event& event, const kebound_registers& before,
                       const kebound_registers& after, const Answers& answers, unsigned disposition,
                       const char* reason, const char* detail) noexcept {
  if (g_text) write_text(event, disposition, reason);
  if (!has_ring()) return;
  const Entry entry(KEBOUND_RECORD_EXCEPTION);
  if (!entry) return;
  entry->event = event;
  entry->before = before;
  entry->after = after;
  entry->disposition = static_cast<uint8_t>(disposition);
  entry->answer_count = static_cast<uint8_t>(answers.count);
  const uint32_t kept = answers.count < KEBOUND_RING_ANSWERS ? answers.count : KEBOUND_RING_ANSWERS;
  for (uint32_t i = 0; i < kept; ++i) {
    entry->answers[i] = answers.entries[(answers.count - kept + i) % KEBOUND_RING_ANSWERS];
    entry->answers[i].builtin = entry->answers[i].routine == g_builtin;
  }
  entry->code_size = event.instruction_length;
  if (entry->code_size > sizeof entry->code) entry->code_size = sizeof entry->code;
  entry->code_size = static_cast<uint8_t>(
      kebound_copy(entry->code, reinterpret_cast<const void*>(static_cast<uintptr_t>(event.ip)),
                   entry->code_size));
  entry.place(event.ip);
  entry.text(reason);
  entry.detail(detail);
  const ThreadState* const state = current_thread_state();
  entry->rule = state != nullptr ? state->rule.number : 0;
}

void publish_bug_check(const BugCheck& what) noexcept {
  if (!has_ring()) return;
  const Entry entry(KEBOUND_RECORD_BUG_CHECK);
  if (!entry) return;
  entry->bug_check = what.code;
  entry->routine = what.routine;
  for (size_t i = 0; i < 4; ++i) entry->before.gpr[i] = what.parameters[i];
  entry.text(what.explanation);
}

void report_violation(const char* rule, const char* message, uint64_t routine) noexcept {
  if (has_ring()) {
    const Entry entry(KEBOUND_RECORD_VERIFIER);
    if (!entry) return;
    entry->routine = routine;
    Line words;
    entry.text(words.text(rule).text(": ").text(message).c_str());
    return;
  }
  Line line;
  line.text("kebound: ").text(rule).text(": ").text(message);
  if (routine != 0) line.text("; callback ").place(routine);
  line.write();
}

bool open_ring(const char* path) noexcept {
  if (has_ring()) return true;
  const int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return false;
  struct stat file {};
  void* memory = MAP_FAILED;
  if (fstat(fd, &file) == 0 && S_ISREG(file.st_mode) &&
      file.st_size > static_cast<off_t>(KEBOUND_RING_HEADER_SIZE) && file.st_size <= INT32_MAX) {
    memory =
        mmap(nullptr, static_cast<size_t>(file.st_size), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  }
  close(fd);
  if (memory == MAP_FAILED) return false;
  auto* const header = static_cast<kebound_ring_header*>(memory);
  const uint64_t room = (static_cast<uint64_t>(file.st_size) - KEBOUND_RING_HEADER_SIZE) /
                        sizeof(kebound_ring_record);
  const uint64_t capacity = header->capacity;
  if (header->magic != KEBOUND_RING_MAGIC || header->version != KEBOUND_ABI_VERSION ||
      header->record_size != sizeof(kebound_ring_record) || capacity == 0 || capacity > room ||
      (capacity & (capacity - 1)) != 0) {
    munmap(memory, static_cast<size_t>(file.st_size));
    return false;
  }
  const ssize_t size = readlink("/proc/self/exe", g_program, sizeof g_program);
  if (size < 0 || size == sizeof g_program) g_program[0] = '\0';
  g_ring.records =
      reinterpret_cast<kebound_ring_record*>(static_cast<char*>(memory) + KEBOUND_RING_HEADER_SIZE);
  g_ring.capacity = capacity;
  g_ring.header = header;
  g_publishing = true;
  return true;
}

}  // namespace kebound::inproc
