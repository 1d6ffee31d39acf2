// SPDX-License-Identifier: Apache-2.0
//
// Questions about traps from both ends: signal handlers ask, the reader of the ring answers.
#include "hosts/inproc/ring_question.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>

#include "hosts/inproc_run/ring_answers.h"
#include "hosts/inproc_run/ring_file.h"
#include "trap/x86/registers.h"

namespace kebound::inproc {
namespace {

using inproc_run::RingAnswers;
using inproc_run::RingFile;

// Answers with the address, in decimal.
class Echo final : public events::TrapMessages {
 public:
  std::string at(const events::ModuleMap& modules, uint64_t address) override {
    EXPECT_FALSE(modules.mappings.empty());
    ++asked;
    return address == 0 ? std::string(1000, 'x') : std::to_string(address);
  }
  std::optional<x86::ArrayNest> arrays_at(const events::ModuleMap& modules,
                                          uint64_t address) override {
    EXPECT_FALSE(modules.mappings.empty());
    ++asked;
    if (address == 0) return std::nullopt;
    x86::ArrayNest arrays;
    arrays.count = 2;
    arrays.levels[0] = {8, address, 4};
    arrays.levels[1] = {1, 2, 3};
    return arrays;
  }
  std::optional<x86::FunctionFacts> function_at(const events::ModuleMap& modules,
                                                uint64_t address) override {
    EXPECT_FALSE(modules.mappings.empty());
    ++asked;
    if (address == 0) return std::nullopt;
    x86::FunctionFacts facts;
    facts.compiler = x86::Compiler::Clang;
    facts.linkage = x86::Linkage::Global;
    facts.checks = x86::IndexChecks::No;
    facts.version = static_cast<uint16_t>(address);
    facts.parameters[x86::Rdi] = {32, true};
    facts.parameters[x86::R15] = {64, false};
    return facts;
  }
  unsigned asked = 0;
};

// Only descendants of the reader are answered, so those who ask are children.
class RingQuestionTest : public ::testing::Test {
 protected:
  // The child's status, while `answers` answers what it asks.
  template <class Child>
  int with_child(RingAnswers& answers, Child&& child) {
    const pid_t pid = fork();
    if (pid == 0) _exit(child());
    int status = 0;
    while (waitpid(pid, &status, WNOHANG) == 0) {
      if (!answers.answer()) usleep(100);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  [[nodiscard]] uint32_t phase() const {
    return file.header()->question.state & KEBOUND_QUESTION_PHASE;
  }

  RingFile file{64};
  Echo echo;
};

TEST_F(RingQuestionTest, Each_thread_of_each_process_gets_its_own_answer) {
  RingAnswers answers(file.header(), &echo);
  const int status = with_child(answers, [&] {
    std::atomic<int> wrong{0};
    const auto ask = [&](uint64_t first) {
      for (uint64_t i = first; i < first + 200; ++i) {
        char answer[KEBOUND_QUESTION_ANSWER];
        if (!ask_about_trap(*file.header(), i, answer) || answer != std::to_string(i)) ++wrong;
      }
    };
    const pid_t other = fork();
    std::thread one(ask, other == 0 ? 1000 : 5000);
    std::thread two(ask, other == 0 ? 2000 : 6000);
    one.join();
    two.join();
    if (other == 0) _exit(wrong == 0 ? 0 : 1);
    int others = 0;
    waitpid(other, &others, 0);
    return wrong == 0 && others == 0 ? 0 : 1;
  });
  EXPECT_EQ(status, 0);
  EXPECT_EQ(echo.asked, 800u);
  EXPECT_EQ(phase(), uint32_t{KEBOUND_QUESTION_IDLE});
}

TEST_F(RingQuestionTest, A_long_answer_is_cut) {
  RingAnswers answers(file.header(), &echo);
  EXPECT_EQ(with_child(answers,
                       [&] {
                         char answer[KEBOUND_QUESTION_ANSWER];
                         const bool had = ask_about_trap(*file.header(), 0, answer);
                         return had && strlen(answer) == sizeof answer - 1 ? 0 : 1;
                       }),
            0);
}

TEST_F(RingQuestionTest, Where_nobody_answers_nobody_waits) {
  const RingAnswers answers(file.header(), nullptr);
  char answer[KEBOUND_QUESTION_ANSWER];
  EXPECT_FALSE(ask_about_trap(*file.header(), 1, answer));
  // Nor where the word is nonsense.
  file.header()->question.state = 0xfffffff8;
  EXPECT_FALSE(ask_about_trap(*file.header(), 1, answer));
}

TEST_F(RingQuestionTest, Strangers_are_told_nothing) {
  RingAnswers answers(file.header(), &echo);
  char answer[KEBOUND_QUESTION_ANSWER] = "?";
  std::atomic<bool> done{false};
  std::thread reader([&] {
    while (!done) answers.answer();
  });
  EXPECT_TRUE(ask_about_trap(*file.header(), 1, answer));  // we are no child of ours
  done = true;
  reader.join();
  EXPECT_STREQ(answer, "");
  EXPECT_EQ(echo.asked, 0u);
}

TEST_F(RingQuestionTest, Arrays_are_asked_about_as_well) {
  RingAnswers answers(file.header(), &echo);
  const int status = with_child(answers, [&] {
    char bytes[KEBOUND_QUESTION_ANSWER];
    kebound_arrays_answer answer;
    if (!ask_reader(*file.header(), KEBOUND_QUESTION_ABOUT_ARRAYS, 7, bytes)) return 1;
    memcpy(&answer, bytes, sizeof answer);
    if (answer.count != 2 || answer.more_within != 0) return 2;
    if (answer.arrays[0].offset != 8 || answer.arrays[0].count != 7 ||
        answer.arrays[0].element_size != 4 || answer.arrays[1].element_size != 3) {
      return 7;
    }
    if (!ask_reader(*file.header(), KEBOUND_QUESTION_ABOUT_ARRAYS, 0, bytes)) return 3;
    memcpy(&answer, bytes, sizeof answer);
    if (answer.count != 0) return 4;
    // A subject that nobody knows has no answer in it.
    if (!ask_reader(*file.header(), 99, 7, bytes)) return 5;
    return bytes[0] == 0 ? 0 : 6;
  });
  EXPECT_EQ(status, 0);
  EXPECT_EQ(echo.asked, 2u);
}

TEST_F(RingQuestionTest, Functions_are_asked_about_as_well) {
  RingAnswers answers(file.header(), &echo);
  const int status = with_child(answers, [&] {
    char bytes[KEBOUND_QUESTION_ANSWER];
    kebound_function_answer answer;
    if (!ask_reader(*file.header(), KEBOUND_QUESTION_ABOUT_FUNCTION, 700, bytes)) return 1;
    memcpy(&answer, bytes, sizeof answer);
    if (answer.compiler != KEBOUND_COMPILER_CLANG || answer.version != 700) return 2;
    if (answer.linkage != KEBOUND_LINKAGE_GLOBAL || answer.checks != KEBOUND_CHECKS_NO) return 3;
    for (unsigned i = 0; i < 16; ++i) {
      const unsigned bits = i == x86::Rdi ? 32 : i == x86::R15 ? 64 : 0;
      if (answer.parameter_bits[i] != bits) return 4;
    }
    if (answer.is_signed != 1u << x86::Rdi) return 5;
    if (!ask_reader(*file.header(), KEBOUND_QUESTION_ABOUT_FUNCTION, 0, bytes)) return 6;
    memcpy(&answer, bytes, sizeof answer);
    return answer.compiler == 0 && answer.version == 0 && answer.linkage == 0 ? 0 : 7;
  });
  EXPECT_EQ(status, 0);
  EXPECT_EQ(echo.asked, 2u);
}

TEST_F(RingQuestionTest, One_that_is_given_up_is_not_taken_for_the_next_ones) {
  RingAnswers answers(file.header(), &echo);
  kebound_ring_question& question = file.header()->question;
  // Asked, and withdrawn while the reader looks: as if by a thread that gave up.
  class Withdrawing final : public events::TrapMessages {
   public:
    explicit Withdrawing(kebound_ring_question& its) : question(its) {}
    std::string at(const events::ModuleMap&, uint64_t) override {
      question.state = KEBOUND_QUESTION_TICKET + KEBOUND_QUESTION_IDLE;
      return "late";
    }
    std::optional<x86::ArrayNest> arrays_at(const events::ModuleMap&, uint64_t) override {
      return std::nullopt;
    }
    std::optional<x86::FunctionFacts> function_at(const events::ModuleMap&, uint64_t) override {
      return std::nullopt;
    }
    kebound_ring_question& question;
  } withdrawing(question);
  RingAnswers late(file.header(), &withdrawing);
  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  question.pid = child;
  question.address = 1;
  question.subject = KEBOUND_QUESTION_ABOUT_TRAP;
  question.state = KEBOUND_QUESTION_ASKED;
  EXPECT_TRUE(late.answer());
  EXPECT_EQ(question.state, uint32_t{KEBOUND_QUESTION_TICKET + KEBOUND_QUESTION_IDLE});
  EXPECT_STREQ(question.answer, "");
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

}  // namespace
}  // namespace kebound::inproc
