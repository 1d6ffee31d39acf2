// SPDX-License-Identifier: Apache-2.0
#include "rules/table.h"

#include <gtest/gtest.h>
#include <string.h>

#include <memory>
#include <random>
#include <thread>

#include "rules/parser.h"
#include "rules/table_builder.h"

namespace kebound::rules {
namespace {

// A table's bytes where a table has to be.
class Memory {
 public:
  explicit Memory(const std::vector<uint8_t>& bytes)
      : size_(bytes.size()), bytes_(new (std::align_val_t{64}) uint8_t[bytes.size()]) {
    memcpy(bytes_.get(), bytes.data(), bytes.size());
  }
  uint8_t* data() { return bytes_.get(); }
  TableHeader& header() { return *reinterpret_cast<TableHeader*>(data()); }
  bool attach(Table& table) {
    if (size_ < sizeof(TableHeader)) return false;
    const uint64_t fixed = std::min<uint64_t>(header().fixed_size, size_);
    return table.attach(data(), fixed, data(), size_);
  }

 private:
  struct Free {
    void operator()(uint8_t* bytes) const { operator delete[](bytes, std::align_val_t{64}); }
  };
  size_t size_;
  std::unique_ptr<uint8_t[], Free> bytes_;
};

std::vector<Rule> parse(const std::string& text) {
  auto parsed = parse_rules(text, "r");
  EXPECT_TRUE(parsed.problems.empty());
  return std::move(parsed.rules);
}

TablePlace at(std::string_view module, uint64_t offset) {
  return {"x86-bound", "array-bounds", module, offset, offset};
}

TEST(RuleTable, Finds_the_first_rule_by_source_check_module_and_offset) {
  Memory memory(*build_table(parse("clamp source=clang-trap\nskip check=assertion\n"
                                   "ignore module=lib*.so offset=0x10-0x1f\nterminate module=*\n"
                                   "clamp\n"),
                             {}));
  Table table;
  ASSERT_TRUE(memory.attach(table));
  EXPECT_EQ(table.size(), 5U);
  EXPECT_EQ(table.find(at("/x/libz.so", 0x10)).rule, 2U);
  EXPECT_EQ(table.find(at("/x/libz.so", 0x1f)).rule, 2U);
  EXPECT_EQ(table.find(at("/x/libz.so", 0x20)).rule, 3U);
  EXPECT_EQ(table.find(at("", 0x10)).rule, 4U);
  EXPECT_EQ(table.find({"clang-trap", "", "", 0, 0}).rule, 0U);
  EXPECT_EQ(table.find({"libc++", "assertion", "", 0, 0}).rule, 1U);
}

TEST(RuleTable, Names_are_address_ranges_of_the_modules_that_were_known) {
  const auto rules = parse("clamp function=f\nskip file=a.c\nignore module=other function=f");
  const std::vector<KnownModule> modules = {
      {"/bin/one", {{{0x10, 0x20}, {0x30, 0x40}}, {{0x20, 0x28}}, {}}},
      {"/bin/two", {{}, {{0x100, 0x200}}, {}}}};
  Memory memory(*build_table(rules, modules));
  Table table;
  ASSERT_TRUE(memory.attach(table));
  EXPECT_EQ(table.find(at("/bin/one", 0x10)).rule, 0U);
  EXPECT_EQ(table.find(at("/bin/one", 0x1f)).rule, 0U);
  EXPECT_EQ(table.find(at("/bin/one", 0x20)).rule, 1U);
  EXPECT_EQ(table.find(at("/bin/one", 0x28)).rule, kNoRule);
  EXPECT_EQ(table.find(at("/bin/one", 0x3f)).rule, 0U);
  EXPECT_EQ(table.find(at("/bin/one", 0x40)).rule, kNoRule);
  EXPECT_EQ(table.find(at("/bin/two", 0x10)).rule, kNoRule);
  EXPECT_EQ(table.find(at("/bin/two", 0x100)).rule, 1U);
  EXPECT_FALSE(table.find(at("/bin/two", 0x10)).is_unresolved);
  EXPECT_EQ(table.find({"x86-bound", "", "/bin/one", 0x28, 0x10}).rule, 0U);
  // Of a module that came later nothing is known, and that is said.
  EXPECT_TRUE(table.find(at("/bin/late", 0x10)).is_unresolved);
  EXPECT_FALSE(table.find(at("", 0x10)).is_unresolved);
}

TEST(RuleTable, An_unknown_module_is_none_of_a_rules_that_names_another) {
  Memory memory(*build_table(parse("clamp module=one function=f"), {{"/bin/one", {{}}}}));
  Table table;
  ASSERT_TRUE(memory.attach(table));
  EXPECT_FALSE(table.find(at("/bin/late", 0x10)).is_unresolved);
}

TEST(RuleTable, Sites_are_counted_each_for_itself_in_all_that_share_the_counts) {
  const auto bytes = *build_table(parse("clamp once\nskip"), {});
  Memory shared(bytes);
  Memory own(bytes);
  Table one;
  Table other;
  const uint64_t fixed = shared.header().fixed_size;
  ASSERT_TRUE(one.attach(shared.data(), fixed, shared.data(), bytes.size()));
  ASSERT_TRUE(other.attach(own.data(), fixed, shared.data(), bytes.size()));
  EXPECT_TRUE(one.decide(0, at("/a", 1)).is_reported);
  EXPECT_FALSE(other.decide(0, at("/a", 1)).is_reported);
  EXPECT_TRUE(other.decide(0, at("/a", 2)).is_reported);
  EXPECT_TRUE(other.decide(0, at("/b", 1)).is_reported);
  EXPECT_EQ(one.counts(0).matched.load(), 4U);
  EXPECT_EQ(one.counts(0).reported.load(), 3U);
}

TEST(RuleTable, When_all_slots_are_taken_further_sites_are_counted_together) {
  Memory memory(*build_table(parse("clamp once"), {}));
  Table table;
  ASSERT_TRUE(memory.attach(table));
  uint64_t reported = 0;
  for (uint64_t i = 0; i < 3 * kTableSlots; ++i) {
    reported += table.decide(0, at("/a", i)).is_reported;
  }
  EXPECT_LE(reported, kTableSlots + 1);
  EXPECT_GT(reported, kTableSlots * 9 / 10);
}

TEST(RuleTable, Threads_that_meet_at_new_sites_count_each_once) {
  Memory memory(*build_table(parse("clamp once"), {}));
  Table table;
  ASSERT_TRUE(memory.attach(table));
  constexpr uint64_t kSites = 5000;
  Atomic<uint64_t> reported;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (uint64_t site = 0; site < kSites; ++site) {
        reported.fetch_add(table.decide(0, at("/a", site)).is_reported);
      }
    });
  }
  threads.clear();
  EXPECT_EQ(reported.load(), kSites);
  EXPECT_EQ(table.counts(0).matched.load(), 4 * kSites);
}

TEST(RuleTable, Damaged_bytes_are_no_table_or_a_table_that_can_be_asked) {
  const auto bytes = *build_table(parse("clamp function=f module=*\nskip once source=x*"),
                                  {{"/bin/one", {{{1, 2}, {4, 9}}, {}}}});
  std::mt19937 random(1);
  const uint64_t fixed = Memory(bytes).header().fixed_size;
  int accepted = 0;
  for (int i = 0; i < 20'000; ++i) {
    auto damaged = bytes;
    for (int k = 0; k < 3; ++k) damaged[random() % fixed] = static_cast<uint8_t>(random());
    Memory memory(damaged);
    Table table;
    if (!memory.attach(table)) continue;
    ++accepted;
    for (uint64_t offset = 0; offset < 10; ++offset) {
      const TableMatch match = table.find(at("/bin/one", offset));
      if (match.rule != kNoRule) static_cast<void>(table.decide(match.rule, at("/a", offset)));
    }
  }
  EXPECT_GT(accepted, 100);
  EXPECT_LT(accepted, 19'900);
}

TEST(RuleTable, Only_rules_about_callers_are_the_supervisors_alone) {
  const auto rules = parse("clamp caller=main\nclamp function=f\nclamp build-id=01234567\nclamp");
  EXPECT_TRUE(is_for_supervisor_only(rules[0]));
  EXPECT_FALSE(is_for_supervisor_only(rules[1]));
  EXPECT_TRUE(needs_ranges(rules[1]));
  EXPECT_TRUE(needs_ranges(rules[2]));
  EXPECT_FALSE(needs_ranges(rules[3]));
}

}  // namespace
}  // namespace kebound::rules
