// SPDX-License-Identifier: Apache-2.0
#include "tools/kebound/rule_policy.h"

#include <gtest/gtest.h>

#include <thread>

#include "rules/parser.h"

namespace kebound::tool {
namespace {

// Two modules at 0x1000 and 0x2000; a function per address, called by main.
class FakeResolver final : public report::Resolver {
 public:
  explicit FakeResolver(unsigned& questions) : questions_(questions) {}
  report::Location locate(const events::ModuleMap& modules, uint64_t address) override {
    ++questions_;
    report::Location location;
    const uint64_t base = modules.mappings[0].begin;
    location.module = modules.mappings[0].path;
    location.offset = address - base;
    location.build_id = "0123456789abcdef";
    location.frames = {{"f" + std::to_string(*location.offset), "/src/f.c", 7, false}};
    return location;
  }
  std::vector<report::StackFrame> backtrace(const x86::Registers& registers,
                                            const events::StackSnapshot& stack,
                                            const events::ModuleMap& modules) override {
    report::StackFrame caller;
    caller.location.frames = {{stack.address == 1 ? "one" : "other", "", 0, false}};
    return {{registers.rip, locate(modules, registers.rip)}, caller};
  }

 private:
  unsigned& questions_;
};

class RulePolicyTest : public ::testing::Test {
 protected:
  void use(const std::string& text) {
    auto parsed = rules::parse_rules(text, "r");
    ASSERT_TRUE(parsed.problems.empty()) << parsed.problems[0].why;
    resolver_ = std::make_unique<FakeResolver>(questions_);
    policy_ = std::make_unique<RulePolicy>(std::move(parsed.rules), resolver_.get());
  }
  std::shared_ptr<const events::ModuleMap> a_map(uint64_t begin) {
    auto map = std::make_shared<events::ModuleMap>();
    map->generation = ++generations_;
    map->mappings.push_back({begin, begin + 0x1000, 0, true, "/opt/pick", "/opt/pick"});
    return map;
  }
  std::shared_ptr<driver::Match> look_up(const std::shared_ptr<const events::ModuleMap>& map,
                                         uint64_t ip, uint64_t stack = 0) {
    event_.ip = ip;
    registers_.rip = ip;
    return policy_->look_up({event_, registers_, map, [stack] {
                               auto snapshot = std::make_shared<events::StackSnapshot>();
                               snapshot->address = stack;
                               return snapshot;
                             }});
  }
  std::string rule_of(const std::shared_ptr<driver::Match>& match) {
    return match ? *match->decide().rule : "none";
  }

  BoundEvent event_;
  x86::Registers registers_{};
  uint64_t generations_ = 0;
  unsigned questions_ = 0;
  std::unique_ptr<report::Resolver> resolver_;
  std::unique_ptr<RulePolicy> policy_;
};

TEST_F(RulePolicyTest, The_first_rule_that_fits_decides) {
  use("clamp function=f1\nignore function=f*\nskip function=f2");
  const auto map = a_map(0x1000);
  EXPECT_EQ(rule_of(look_up(map, 0x1001)), "r:1");
  EXPECT_EQ(rule_of(look_up(map, 0x1002)), "r:2");
  use("clamp function=g");
  EXPECT_EQ(rule_of(look_up(map, 0x1001)), "none");
}

TEST_F(RulePolicyTest, Names_are_asked_for_once_a_place) {
  use("clamp function=f1");
  const auto map = a_map(0x1000);
  for (int i = 0; i < 10; ++i) static_cast<void>(look_up(map, 0x1001));
  EXPECT_EQ(questions_, 1U);
  static_cast<void>(look_up(map, 0x1002));
  EXPECT_EQ(questions_, 2U);
}

TEST_F(RulePolicyTest, The_same_code_is_the_same_place_wherever_it_is_loaded) {
  use("clamp once function=f1");
  EXPECT_TRUE(look_up(a_map(0x1000), 0x1001)->decide().is_reported);
  EXPECT_FALSE(look_up(a_map(0x7000), 0x7001)->decide().is_reported);
}

TEST_F(RulePolicyTest, Once_is_once_at_each_place) {
  use("clamp once");
  const auto map = a_map(0x1000);
  EXPECT_TRUE(look_up(map, 0x1001)->decide().is_reported);
  EXPECT_TRUE(look_up(map, 0x1002)->decide().is_reported);
  EXPECT_FALSE(look_up(map, 0x1001)->decide().is_reported);
}

TEST_F(RulePolicyTest, A_caller_is_looked_for_in_each_exceptions_own_stack) {
  use("clamp function=f1 caller=one\nterminate function=f1 caller=f1\nskip function=f1");
  const auto map = a_map(0x1000);
  EXPECT_EQ(rule_of(look_up(map, 0x1001, 1)), "r:1");
  EXPECT_EQ(rule_of(look_up(map, 0x1001, 2)), "r:3");
  EXPECT_EQ(rule_of(look_up(map, 0x1001, 1)), "r:1");
}

TEST_F(RulePolicyTest, A_fatal_decision_says_why) {
  use("clamp fatal-after=1");
  const auto map = a_map(0x1000);
  EXPECT_EQ(look_up(map, 0x1001)->decide().action, driver::OnBound::Clamp);
  const auto last = look_up(map, 0x1002)->decide();
  EXPECT_EQ(last.action, driver::OnBound::Terminate);
  EXPECT_EQ(last.reason, "fatal-after=1 of the rule at r:1");
}

TEST_F(RulePolicyTest, Names_are_those_of_the_line_and_offsets_those_of_the_check) {
  use("skip function=f1\nclamp offset=0x1 function=f9");
  event_.line_ip = 0x1009;
  EXPECT_EQ(rule_of(look_up(a_map(0x1000), 0x1001)), "r:2");
}

TEST_F(RulePolicyTest, Without_modules_only_the_source_is_known) {
  use("clamp module=*\nskip source=x86-bound");
  EXPECT_EQ(rule_of(look_up(nullptr, 0x1001)), "r:2");
}

TEST_F(RulePolicyTest, Tallies_are_of_every_rule_used_or_not) {
  use("ignore function=f1\nclamp first=2 function=f2\nskip function=f3 # never");
  const auto map = a_map(0x1000);
  for (int i = 0; i < 5; ++i) {
    static_cast<void>(look_up(map, 0x1001)->decide());
    static_cast<void>(look_up(map, 0x1002)->decide());
  }
  const auto tallies = policy_->tallies();
  ASSERT_EQ(tallies.size(), 3U);
  EXPECT_EQ(tallies[0].matched, 5U);
  EXPECT_EQ(tallies[0].reported, 0U);
  EXPECT_EQ(tallies[0].suppressed, 5U);
  EXPECT_EQ(tallies[1].matched, 5U);
  EXPECT_EQ(tallies[1].reported, 2U);
  EXPECT_EQ(tallies[1].suppressed, 0U);
  EXPECT_EQ(tallies[2].place, "r:3");
  EXPECT_EQ(tallies[2].text, "skip function=f3");
  EXPECT_EQ(tallies[2].matched, 0U);
}

// Callback threads decide while the tracing thread looks up.
TEST_F(RulePolicyTest, Deciding_on_other_threads_than_the_one_that_looks_up_counts_each_once) {
  use("clamp first=100 fatal-after=3000");
  const auto map = a_map(0x1000);
  std::vector<std::shared_ptr<driver::Match>> matches;
  for (uint64_t i = 0; i < 4; ++i) matches.push_back(look_up(map, 0x1001));
  std::vector<std::jthread> threads;
  for (auto& match : matches) {
    threads.emplace_back([match] {
      for (int i = 0; i < 1000; ++i) static_cast<void>(match->decide());
    });
  }
  for (uint64_t i = 0; i < 200; ++i) static_cast<void>(look_up(map, 0x1000 + i));
  threads.clear();
  const auto tally = policy_->tallies()[0];
  EXPECT_EQ(tally.matched, 4000U);
  EXPECT_EQ(tally.reported, 100U + 1000U);  // the fatal ones besides
}

}  // namespace
}  // namespace kebound::tool
