// SPDX-License-Identifier: Apache-2.0
#include "hosts/inproc/call_symbols.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "trap/calls/call_source.h"

namespace kebound::inproc {
namespace {

struct Entry {
  size_t number;
  const char* symbol;
  char kind;  // A, 3, 2 or C
};
#define KEBOUND_ALWAYS(number, symbol) {number, #symbol, 'A'},
#define KEBOUND_COUNT3(number, symbol) {number, #symbol, '3'},
#define KEBOUND_COUNT2(number, symbol) {number, #symbol, '2'},
#define KEBOUND_CHECK(number, symbol) {number, #symbol, 'C'},
constexpr Entry kEntries[] = {
    KEBOUND_CALL_SYMBOLS(KEBOUND_ALWAYS, KEBOUND_COUNT3, KEBOUND_COUNT2, KEBOUND_CHECK)};

TEST(CallSymbols, Are_those_of_the_list_of_sources_each_once_and_in_order) {
  std::set<std::string> ours;
  std::set<std::string> theirs;
  for (size_t i = 0; i < std::size(kEntries); ++i) {
    EXPECT_EQ(kEntries[i].number, i);
    ours.insert(kEntries[i].symbol);
  }
  EXPECT_EQ(ours.size(), static_cast<size_t>(KEBOUND_CALL_SYMBOL_COUNT));
  size_t count = 0;
  const calls::CallSource* const sources = calls::call_sources(count);
  for (size_t i = 0; i < count; ++i) theirs.insert(sources[i].symbol);
  EXPECT_EQ(ours, theirs);
}

TEST(CallSymbols, Entries_that_judge_by_themselves_compare_the_right_arguments) {
  for (const Entry& entry : kEntries) {
    for (const bool is_64bit : {true, false}) {
      const calls::CallSource* const source =
          calls::find_call_source(entry.symbol, std::string(entry.symbol).size(), is_64bit);
      ASSERT_NE(source, nullptr) << entry.symbol;
      EXPECT_EQ(entry.kind == 'A', source->family != calls::Family::Fortify) << entry.symbol;
      if (entry.kind != '2' && entry.kind != '3') continue;
      EXPECT_EQ(source->shape, calls::Shape::Count) << entry.symbol;
      EXPECT_EQ(source->count, entry.kind == '3' ? 2 : 1) << entry.symbol;
      EXPECT_EQ(source->size, 3) << entry.symbol;
      EXPECT_TRUE(source->element == 1 || source->size_in_elements) << entry.symbol;
      EXPECT_EQ(source->factor, calls::kNoArgument) << entry.symbol;
    }
  }
}

}  // namespace
}  // namespace kebound::inproc
