// SPDX-License-Identifier: Apache-2.0
#include "hosts/inproc/ring_question.h"

#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/atomic.h"

namespace kebound::inproc {
namespace {

// The reader looks every few milliseconds, and reads files then. One that does not answer for this
// long is stopped or gone.
constexpr int64_t kPatienceNs = 5'000'000'000;
constinit Atomic<uint32_t> g_nobody_answers;

int64_t now_ns() noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// The word is anybody's: what it says is believed as far as it is a phase that is waited for.
class Question {
 public:
  explicit Question(kebound_ring_question& shared) noexcept
      : shared_(shared), deadline_(now_ns() + kPatienceNs) {}

  [[nodiscard]] bool ask(uint32_t subject, uint64_t address) noexcept {
    if (!claim()) return false;
    __atomic_store_n(&shared_.pid, getpid(), __ATOMIC_RELAXED);
    __atomic_store_n(&shared_.subject, subject, __ATOMIC_RELAXED);
    __atomic_store_n(&shared_.address, address, __ATOMIC_RELAXED);
    return step(KEBOUND_QUESTION_CLAIMED, KEBOUND_QUESTION_ASKED);
  }

  [[nodiscard]] bool take(char (&answer)[KEBOUND_QUESTION_ANSWER]) noexcept {
    // Looked at once for each turn: to sleep on a later look would be to sleep on the answer.
    uint32_t state = load();
    while (state == ticket_ + KEBOUND_QUESTION_ASKED ||
           state == ticket_ + KEBOUND_QUESTION_ANSWERING) {
      const bool in_time = sleep(state);
      state = load();
      if (in_time || state == ticket_ + KEBOUND_QUESTION_ANSWERED) continue;
      // Tired of waiting: the question is withdrawn, unless the reader is at it.
      uint32_t asked = ticket_ + KEBOUND_QUESTION_ASKED;
      if (exchange(asked, ticket_ + KEBOUND_QUESTION_TICKET + KEBOUND_QUESTION_IDLE)) wake();
      return false;
    }
    if (state != ticket_ + KEBOUND_QUESTION_ANSWERED) return false;
    memcpy(answer, shared_.answer, sizeof answer);
    answer[sizeof answer - 1] = '\0';
    // Where the reader had given us up, this may be another's answer.
    uint32_t answered = ticket_ + KEBOUND_QUESTION_ANSWERED;
    const bool ours = exchange(answered, ticket_ + KEBOUND_QUESTION_TICKET + KEBOUND_QUESTION_IDLE);
    wake();
    return ours;
  }

  [[nodiscard]] bool is_over() const noexcept { return now_ns() >= deadline_; }

 private:
  [[nodiscard]] uint32_t load() const noexcept {
    // Acquire, pairs with the release of who set it: the answer is read behind it.
    return __atomic_load_n(&shared_.state, __ATOMIC_ACQUIRE);
  }
  [[nodiscard]] bool exchange(uint32_t& expected, uint32_t wanted) noexcept {
    return __atomic_compare_exchange_n(&shared_.state, &expected, wanted, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_ACQUIRE);
  }
  [[nodiscard]] bool step(uint32_t from, uint32_t to) noexcept {
    uint32_t expected = ticket_ + from;
    return exchange(expected, ticket_ + to);
  }
  // Until the word is another one, or the time is up: false.
  [[nodiscard]] bool sleep(uint32_t while_it_is) const noexcept {
    const int64_t left = deadline_ - now_ns();
    if (left <= 0) return false;
    const timespec timeout{static_cast<time_t>(left / 1'000'000'000),
                           static_cast<long>(left % 1'000'000'000)};
    syscall(SYS_futex, &shared_.state, FUTEX_WAIT, while_it_is, &timeout, nullptr, 0);
    return true;
  }
  void wake() const noexcept {
    syscall(SYS_futex, &shared_.state, FUTEX_WAKE, INT32_MAX, nullptr, nullptr, 0);
  }
  // Waits for its turn.
  [[nodiscard]] bool claim() noexcept {
    uint32_t state = load();
    while ((state & KEBOUND_QUESTION_PHASE) != KEBOUND_QUESTION_NONE) {
      ticket_ = state & ~KEBOUND_QUESTION_PHASE;
      if ((state & KEBOUND_QUESTION_PHASE) != KEBOUND_QUESTION_IDLE) {
        if (!sleep(state)) return false;
        state = load();
      } else if (exchange(state, ticket_ + KEBOUND_QUESTION_CLAIMED)) {
        return true;
      }
    }
    return false;
  }

  kebound_ring_question& shared_;
  const int64_t deadline_;
  uint32_t ticket_ = 0;
};

}  // namespace

bool ask_reader(kebound_ring_header& ring, uint32_t subject, uint64_t address,
                char (&answer)[KEBOUND_QUESTION_ANSWER]) noexcept {
  if (g_nobody_answers.load(MemoryOrder::Relaxed) != 0) return false;
  Question question(ring.question);
  if (question.ask(subject, address) && question.take(answer)) return true;
  if (question.is_over()) g_nobody_answers.store(1, MemoryOrder::Relaxed);
  return false;
}

}  // namespace kebound::inproc
