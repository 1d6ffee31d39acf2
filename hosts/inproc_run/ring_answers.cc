// SPDX-License-Identifier: Apache-2.0
#include "hosts/inproc_run/ring_answers.h"

#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>

#include "hosts/posix/process_facts.h"

namespace kebound::inproc_run {
namespace {

// Longer than an asker waits: what is not taken then belongs to one that is dead.
constexpr int64_t kLeftNs = 10'000'000'000;
constexpr unsigned kMaxGenerations = 1024;

int64_t now_ns() noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// Orphans become our children, so the way up from each process of the run ends here.
bool is_descendant(pid_t pid) {
  const pid_t self = getpid();
  for (unsigned i = 0; i < kMaxGenerations && pid > 1; ++i) {
    pid = posix::parent_of(pid);
    if (pid == self) return true;
  }
  return false;
}

bool step(kebound_ring_question& question, uint32_t from, uint32_t to) noexcept {
  const bool done = __atomic_compare_exchange_n(&question.state, &from, to, false, __ATOMIC_ACQ_REL,
                                                __ATOMIC_RELAXED);
  if (done) syscall(SYS_futex, &question.state, FUTEX_WAKE, INT32_MAX, nullptr, nullptr, 0);
  return done;
}

std::string packed(const x86::FunctionFacts& facts) {
  kebound_function_answer answer{};
  answer.compiler = static_cast<uint8_t>(facts.compiler);
  answer.linkage = static_cast<uint8_t>(facts.linkage);
  answer.checks = static_cast<uint8_t>(facts.checks);
  answer.version = facts.version;
  for (unsigned i = 0; i < std::size(answer.parameter_bits); ++i) {
    answer.parameter_bits[i] = facts.parameters[i].bits;
    if (facts.parameters[i].is_signed) answer.is_signed |= static_cast<uint16_t>(1u << i);
  }
  return {reinterpret_cast<const char*>(&answer), sizeof answer};
}

}  // namespace

RingAnswers::RingAnswers(kebound_ring_header* ring, events::TrapMessages* messages)
    : question_(ring->question), messages_(messages) {
  // No program runs yet.
  question_.state = messages != nullptr ? KEBOUND_QUESTION_IDLE : KEBOUND_QUESTION_NONE;
}

std::string RingAnswers::find(pid_t pid, uint32_t subject, uint64_t address) {
  if (!is_descendant(pid)) return {};
  if (pid != asker_) modules_.forget();
  asker_ = pid;
  const auto modules = modules_.read(pid, posix::executable_is_64bit(pid));
  if (modules == nullptr) return {};
  if (subject == KEBOUND_QUESTION_ABOUT_TRAP) return messages_->at(*modules, address);
  if (subject == KEBOUND_QUESTION_ABOUT_FUNCTION) {
    const auto facts = messages_->function_at(*modules, address);
    return facts ? packed(*facts) : std::string();
  }
  if (subject != KEBOUND_QUESTION_ABOUT_ARRAYS) return {};
  const auto arrays = messages_->arrays_at(*modules, address);
  if (!arrays) return {};
  kebound_arrays_answer answer{arrays->count, arrays->more_within, {}};
  for (uint32_t i = 0; i < std::min(arrays->count, KEBOUND_ARRAYS_ANSWERED); ++i) {
    const x86::ArrayLevel& level = arrays->levels[i];
    answer.arrays[i] = {level.offset, level.count, level.element_size};
  }
  return {reinterpret_cast<const char*>(&answer), sizeof answer};
}

void RingAnswers::end_what_was_left(uint32_t state) {
  if (state != seen_) {
    seen_ = state;
    seen_since_ns_ = now_ns();
  } else if (now_ns() - seen_since_ns_ > kLeftNs) {
    const uint32_t ticket = state & ~KEBOUND_QUESTION_PHASE;
    static_cast<void>(
        step(question_, state, ticket + KEBOUND_QUESTION_TICKET + KEBOUND_QUESTION_IDLE));
  }
}

bool RingAnswers::answer() {
  if (messages_ == nullptr) return false;
  const uint32_t state = __atomic_load_n(&question_.state, __ATOMIC_ACQUIRE);
  const uint32_t ticket = state & ~KEBOUND_QUESTION_PHASE;
  switch (state & KEBOUND_QUESTION_PHASE) {
    case KEBOUND_QUESTION_IDLE:
      return false;
    case KEBOUND_QUESTION_ASKED:
      break;
    default:
      end_what_was_left(state);
      return false;
  }
  const std::string found = find(__atomic_load_n(&question_.pid, __ATOMIC_RELAXED),
                                 __atomic_load_n(&question_.subject, __ATOMIC_RELAXED),
                                 __atomic_load_n(&question_.address, __ATOMIC_RELAXED));
  // The asker may have given up meanwhile.
  if (!step(question_, state, ticket + KEBOUND_QUESTION_ANSWERING)) return true;
  const size_t length = std::min(found.size(), sizeof question_.answer - 1);
  memset(question_.answer, 0, sizeof question_.answer);
  memcpy(question_.answer, found.data(), length);
  static_cast<void>(
      step(question_, ticket + KEBOUND_QUESTION_ANSWERING, ticket + KEBOUND_QUESTION_ANSWERED));
  return true;
}

}  // namespace kebound::inproc_run
