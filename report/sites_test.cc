// SPDX-License-Identifier: Apache-2.0
#include "report/sites.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/flame_tree.h"
#include "report/run_facts.h"
#include "report/testing/fake_resolver.h"
#include "report/testing/records.h"
#include "report/timeline.h"

namespace kebound::report {
namespace {

using events::Disposition;
using testing::FakeResolver;
using testing::sample_exception;

class SitesOfARun : public ::testing::Test {
 protected:
  events::BoundException exception_at(uint64_t ip, bool with_stack = false) {
    auto exception = sample_exception();
    exception.event.ip = exception.before.rip = ip;
    exception.modules = modules_;
    if (with_stack) exception.stack = std::make_shared<events::StackSnapshot>();
    return exception;
  }
  static std::shared_ptr<events::ModuleMap> modules_of(uint64_t generation) {
    auto map = std::make_shared<events::ModuleMap>();
    map->generation = generation;
    return map;
  }

  FakeResolver resolver_;
  Sites sites_{resolver_};
  std::shared_ptr<events::ModuleMap> modules_ = modules_of(7);
};

TEST_F(SitesOfARun, CountOnePlaceOnceWhateverProcessItIsIn) {
  EXPECT_TRUE(sites_.add(exception_at(0x8049000), false).first_of_disposition);
  modules_ = modules_of(8);
  EXPECT_FALSE(sites_.add(exception_at(0x8049000), false).first_of_disposition);
  sites_.add(exception_at(0x8049010), false);
  ASSERT_EQ(sites_.all().size(), 2u);
  EXPECT_EQ(sites_.all()[0].count, 2u);
  EXPECT_EQ(sites_.all()[1].count, 1u);
}

TEST_F(SitesOfARun, TellDifferentChecksAtOnePlaceApart) {
  auto exception = exception_at(0x8049000);
  sites_.add(exception, false);
  exception.event.source = BoundSource::Fortify;
  exception.event.check = CheckKind::BufferSize;
  sites_.add(exception, false);
  EXPECT_EQ(sites_.all().size(), 2u);
}

TEST_F(SitesOfARun, HaveNoLineWhereMoreThanOneCheckMayHaveFailed) {
  auto exception = exception_at(0x8049000);
  exception.event.doubt = Doubt::SeveralCandidates;
  sites_.add(exception, false);
  const std::vector<SourceFrame>& frames = sites_.all()[0].location.frames;
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].function, "main");
  EXPECT_EQ(frames[0].file, "");
  EXPECT_EQ(frames[0].line, 0u);
}

TEST_F(SitesOfARun, KeepTheRangeOfIndicesTheTimesAndTheOutcomes) {
  for (const int64_t index : {12, -3, 40}) {
    auto exception = exception_at(0x8049000);
    exception.time_ns = 1'000 + index;
    exception.event.index = index;
    exception.disposition = index < 0 ? Disposition::Terminated : Disposition::Handled;
    sites_.add(exception, false);
  }
  const Site& site = sites_.all()[0];
  EXPECT_EQ(site.index.low, -3);
  EXPECT_EQ(site.index.high, 40);
  EXPECT_EQ(site.first_ns, 997);
  EXPECT_EQ(site.last_ns, 1'040);
  EXPECT_EQ(site.of(Disposition::Handled), 2u);
  EXPECT_EQ(site.of(Disposition::Terminated), 1u);
  EXPECT_EQ(site.of(Disposition::Propagated), 0u);
}

TEST_F(SitesOfARun, DoNotTakeAnUnknownIndexForAValue) {
  auto exception = exception_at(0x8049000);
  exception.event.confidence = Confidence::Unknown;
  exception.event.index = 77;
  sites_.add(exception, false);
  EXPECT_FALSE(sites_.all()[0].index.known);
  EXPECT_EQ(sites_.all()[0].unknown, 1u);
  exception.event.confidence = Confidence::Likely;
  exception.event.index = 10;
  sites_.add(exception, false);
  EXPECT_EQ(sites_.all()[0].index.low, 10);
  EXPECT_EQ(sites_.all()[0].index.high, 10);
  EXPECT_EQ(sites_.all()[0].uncertain, 1u);
}

TEST_F(SitesOfARun, CountStacksThatAreTheSameCallsOnce) {
  sites_.add(exception_at(0x8049000, true), true);
  sites_.add(exception_at(0x8049000, true), true);
  sites_.add(exception_at(0x8049000, false), true);
  resolver_.caller = 0x8050000;
  sites_.add(exception_at(0x8049000, true), true);
  const Site& site = sites_.all()[0];
  ASSERT_EQ(site.stacks.size(), 2u);
  EXPECT_EQ(site.stacks[0].count, 2u);
  EXPECT_EQ(site.stacks[1].count, 1u);
  EXPECT_EQ(site.count, 4u);
  EXPECT_EQ(site.with_stack(), 3u);
}

TEST_F(SitesOfARun, StayBoundedWhenAProgramMakesThemUp) {
  for (uint64_t i = 0; i < 60; ++i) {
    auto exception = exception_at(0x8049000, true);
    resolver_.caller = 0x9000000 + i * 16;
    exception.reason = "reason " + std::to_string(i);
    sites_.add(exception, true);
  }
  EXPECT_EQ(sites_.all()[0].stacks.size(), Sites::kMaxStacks);
  EXPECT_EQ(sites_.all()[0].reasons.size(), Sites::kMaxTexts);
  for (uint64_t i = 0; i < Sites::kMaxSites + 10; ++i) {
    sites_.add(exception_at(0xa000000 + i * 16), false);
  }
  EXPECT_EQ(sites_.all().size(), Sites::kMaxSites);
  EXPECT_EQ(sites_.elsewhere(), 11u);
}

TEST_F(SitesOfARun, MergeIntoATreeOfTheirStacksFromTheOutermostFunctionOn) {
  sites_.add(exception_at(0x8049000, true), true);
  for (int i = 0; i < 4; ++i) sites_.add(exception_at(0x8049000), true);
  sites_.add(exception_at(0x8049010, true), true);
  sites_.add(exception_at(0x8049020), true);  // a site of which no stack is known
  const auto tree = make_flame_tree(sites_.by_count(), 1'000, 64);
  EXPECT_EQ(tree.borrowed, 4u);
  EXPECT_EQ(tree.without_stack, 1u);
  EXPECT_EQ(tree.root.count, 6u);
  ASSERT_EQ(tree.root.children.size(), 1u);
  const FlameNode& library = tree.root.children[0];
  EXPECT_EQ(library.function, "libc.so.6+0x1000");
  ASSERT_EQ(library.children.size(), 1u);
  const FlameNode& main = library.children[0];
  EXPECT_EQ(main.function, "main()");
  EXPECT_EQ(main.count, 6u);
  ASSERT_EQ(main.children.size(), 2u) << "two checks, each a leaf of its own";
  EXPECT_EQ(main.children[0].count, 5u);
  EXPECT_EQ(main.children[0].site, 1u);
  EXPECT_EQ(main.children[1].site, 2u);
  EXPECT_EQ(make_flame_tree(sites_.by_count(), 2, 64).root.count, 6u);
}

TEST(TimelineOfARun, KeepsItsBinsBoundedAndLosesNothing) {
  Timeline timeline;
  uint64_t added = 0;
  for (int64_t second = 0; second < 100'000; second += 37, ++added) {
    timeline.add(1'795'000'000'000'000'000 + second * 1'000'000'000, Disposition::Propagated);
  }
  timeline.add(0, Disposition::Handled);  // from before the start
  timeline.add(INT64_MAX, Disposition::Handled);
  EXPECT_LE(timeline.bins().size(), Timeline::kMaxBins);
  uint64_t counted = 0;
  for (const auto& bin : timeline.bins()) counted += bin[0] + bin[1] + bin[2];
  EXPECT_EQ(counted, added + 2);
  EXPECT_EQ(timeline.bins().front()[static_cast<size_t>(Disposition::Handled)], 1u);
}

TEST(RunFacts, KnowTheFirstProgramAndItsEnd) {
  RunFacts facts;
  facts.add(events::ProcessStarted{10, 100, 1, "/bin/first", true});
  facts.add(events::ProcessStarted{11, 101, 100, "/bin/child", false});
  facts.add(events::ProcessExited{12, 101, false, 3});
  facts.add(events::ProcessExited{13, 100, true, 11});
  EXPECT_EQ(facts.program, "/bin/first");
  ASSERT_TRUE(facts.end.has_value());
  EXPECT_TRUE(facts.end->signaled);
  EXPECT_EQ(facts.end->status, 11);
  for (size_t i = 0; i < 2 * RunFacts::kMaxNotes; ++i) facts.add(events::VerifierRecord{});
  EXPECT_EQ(facts.notes.size(), RunFacts::kMaxNotes);
  EXPECT_EQ(facts.notes_left_out, RunFacts::kMaxNotes);
}

}  // namespace
}  // namespace kebound::report
