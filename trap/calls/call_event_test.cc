// SPDX-License-Identifier: Apache-2.0
#include "trap/calls/call_event.h"

#include <gtest/gtest.h>
#include <string.h>

#include <string>
#include <string_view>

#include "trap/calls/array_type.h"
#include "trap/calls/assertion.h"
#include "trap/x86/fake_memory.h"

namespace kebound::calls {
namespace {

constexpr uint64_t kFunction = 0x401000;
constexpr uint64_t kStack = 0x7000;
constexpr uint64_t kReturn = 0x402005;

// A call that has just arrived: `call kFunction` before kReturn.
class CallEventTest : public ::testing::TestWithParam<bool> {
 protected:
  CallEventTest() {
    frame_.is_64bit = GetParam();
    frame_.memory = memory_.reader();
    frame_.entry.rip = kFunction;
    frame_.entry.gpr[x86::Rsp] = kStack;
    memory_.page(kStack);
    word(kStack, kReturn);
    memory_.write(kReturn - 5, {0xe8});
    memory_.write_value(kReturn - 4, static_cast<int32_t>(kFunction - kReturn));
  }

  void word(uint64_t address, uint64_t value) {
    if (frame_.is_64bit) {
      memory_.write_value(address, value);
    } else {
      memory_.write_value(address, static_cast<uint32_t>(value));
    }
  }
  void argument(unsigned number, uint64_t value) {
    const uint8_t reg = frame_.argument_register(number);
    if (reg != CallFrame::kNoGpr) {
      frame_.entry.gpr[reg] = value;
    } else {
      word(frame_.argument_address(number), value);
    }
  }
  void text(uint64_t address, std::string_view words) {
    for (const char c : words) memory_.write(address++, {static_cast<uint8_t>(c)});
    memory_.write(address, {0});
  }
  // UBSan's type at the address: an integer of 2^log2_bits, or an array.
  void type(uint64_t address, bool is_signed, unsigned log2_bits, std::string_view name) {
    memory_.write_value(address, uint16_t{0});
    memory_.write_value(address + 2, static_cast<uint16_t>(log2_bits << 1 | is_signed));
    text(address + 4, name);
  }
  // The data of an out-of-bounds report at 0x5000.
  void out_of_bounds(std::string_view array, bool is_signed, unsigned log2_bits) {
    const uint64_t size = frame_.word_size();
    text(0x6000, "dir/file.c");
    word(0x5000, 0x6000);
    memory_.write_value(0x5000 + size, uint32_t{21});
    memory_.write_value(0x5004 + size, uint32_t{3});
    word(0x5008 + size, 0x6100);
    word(0x5008 + 2 * size, 0x6200);
    type(0x6100, false, 0, array);
    type(0x6200, is_signed, log2_bits, "'index'");
    argument(0, 0x5000);
  }
  bool read(const char* symbol) {
    const CallSource* const source =
        find_call_source(symbol, std::string_view(symbol).size(), frame_.is_64bit);
    return source != nullptr && read_call_event(*source, frame_, call_);
  }

  FakeMemory memory_;
  CallFrame frame_;
  CallEvent call_;
};

TEST_P(CallEventTest, The_check_is_the_call_and_its_registers_are_those_before_it) {
  EXPECT_TRUE(read("__stack_chk_fail"));
  EXPECT_EQ(call_.event.ip, kReturn - 5);
  EXPECT_EQ(call_.event.trap_ip, call_.event.ip);
  EXPECT_EQ(call_.event.instruction_length, 5);
  EXPECT_EQ(call_.at_call.rip, call_.event.ip);
  EXPECT_EQ(call_.at_call.gpr[x86::Rsp], kStack + frame_.word_size());
  EXPECT_EQ(call_.event.check, CheckKind::StackSmash);
  EXPECT_FALSE(call_.event.resumable);
}

TEST_P(CallEventTest, A_tail_call_is_not_taken_for_a_call_of_the_function) {
  memory_.write_value(kReturn - 4, int32_t{0x100});
  EXPECT_FALSE(find_call(frame_).proven);
  memory_.write(kReturn - 5, {0x90, 0x90, 0x90, 0xff, 0xd0});
  EXPECT_EQ(find_call(frame_).length, 2);
}

TEST_P(CallEventTest, Ubsan_tells_index_and_limit) {
  out_of_bounds("'int [10]'", true, 5);
  argument(1, static_cast<uint32_t>(-3));
  ASSERT_TRUE(read("__ubsan_handle_out_of_bounds"));
  EXPECT_EQ(call_.event.index, -3);
  EXPECT_EQ(call_.event.index_raw, 0xfffffffdu);
  EXPECT_EQ(call_.event.index_width, 32);
  EXPECT_EQ(call_.event.lower, 0);
  EXPECT_EQ(call_.event.upper, 9);
  EXPECT_EQ(call_.event.confidence, Confidence::Certain);
  EXPECT_STREQ(call_.detail, "dir/file.c:21, type 'int [10]'");
  // The handler returns: what is resumed is the code behind the call.
  EXPECT_TRUE(call_.event.resumable);
  EXPECT_EQ(call_.recovery.resume_ip, kReturn);
  EXPECT_EQ(call_.recovery.place_count, 0);
  ASSERT_TRUE(read("__ubsan_handle_out_of_bounds_abort"));
  EXPECT_FALSE(call_.event.resumable);
  EXPECT_EQ(call_.event.doubt, Doubt::CallNotResumable);
}

TEST_P(CallEventTest, An_unsigned_index_is_not_negative) {
  out_of_bounds("'int[10]'", false, 3);
  argument(1, 200);
  ASSERT_TRUE(read("__ubsan_handle_out_of_bounds"));
  EXPECT_EQ(call_.event.index, 200);
}

TEST_P(CallEventTest, A_64_bit_index_is_behind_a_pointer_where_it_has_no_room) {
  out_of_bounds("'long long[5]'", true, 6);
  memory_.write_value(0x6300, int64_t{-4'000'000'000});
  argument(1, frame_.is_64bit ? static_cast<uint64_t>(-4'000'000'000) : 0x6300);
  ASSERT_TRUE(read("__ubsan_handle_out_of_bounds"));
  EXPECT_EQ(call_.event.index, -4'000'000'000);
}

TEST_P(CallEventTest, A_limit_that_the_index_is_inside_of_is_not_believed) {
  out_of_bounds("'int[10]'", true, 5);
  argument(1, 4);
  ASSERT_TRUE(read("__ubsan_handle_out_of_bounds"));
  EXPECT_EQ(call_.event.confidence, Confidence::Unknown);
  EXPECT_EQ(call_.event.doubt, Doubt::LimitNotSaid);
}

TEST_P(CallEventTest, Unreadable_data_is_an_event_without_an_index) {
  argument(0, 0x99990000);
  argument(1, 4);
  ASSERT_TRUE(read("__ubsan_handle_out_of_bounds"));
  EXPECT_EQ(call_.event.confidence, Confidence::Unknown);
  EXPECT_EQ(call_.event.doubt, Doubt::MemoryUnreadable);
}

TEST_P(CallEventTest, Null_and_alignment_are_no_bounds) {
  const uint64_t size = frame_.word_size();
  text(0x6000, "f.c");
  word(0x5000, 0x6000);
  word(0x5008 + size, 0x6100);
  memory_.write_value(0x5008 + 2 * size, uint8_t{2});
  type(0x6100, true, 5, "'int'");
  argument(0, 0x5000);
  argument(1, 0);
  EXPECT_FALSE(read("__ubsan_handle_type_mismatch_v1"));
  argument(1, 0x1002);
  EXPECT_FALSE(read("__ubsan_handle_type_mismatch_v1"));
  argument(1, 0x1004);
  EXPECT_TRUE(read("__ubsan_handle_type_mismatch_v1"));
  EXPECT_EQ(call_.event.check, CheckKind::ObjectSize);
  argument(2, 0x10);
  EXPECT_TRUE(read("__ubsan_handle_pointer_overflow"));
  argument(1, 0);
  EXPECT_FALSE(read("__ubsan_handle_pointer_overflow"));
}

TEST_P(CallEventTest, A_count_is_one_more_than_the_last_byte_and_can_be_corrected) {
  argument(0, 0x8000);
  argument(2, 12);
  argument(3, 10);
  ASSERT_TRUE(read("__memcpy_chk"));
  EXPECT_EQ(call_.event.index, 11);
  EXPECT_EQ(call_.event.upper, 9);
  EXPECT_STREQ(call_.detail, "memcpy");
  ASSERT_TRUE(call_.event.resumable);
  const int64_t corrected = 9;
  x86::Registers after = call_.at_call;
  const x86::ResumePlan plan =
      plan_resumption(call_.event, call_.recovery, call_.at_call, &corrected, after);
  EXPECT_EQ(plan.verdict, x86::Resumption::Resume);
  EXPECT_EQ(after.rip, call_.event.ip);
  if (frame_.is_64bit) {
    EXPECT_EQ(after.gpr[x86::Rdx], 10u);
  } else {
    ASSERT_EQ(plan.write_count, 1);
    EXPECT_EQ(plan.writes[0].address, kStack + 12);
    EXPECT_EQ(plan.writes[0].value, 10u);
    EXPECT_EQ(plan.writes[0].size, 4);
  }
  argument(2, 10);
  EXPECT_FALSE(read("__memcpy_chk"));
}

TEST_P(CallEventTest, What_is_not_known_any_more_is_not_resumed) {
  argument(2, 12);
  argument(3, 10);
  frame_.known &= ~(1u << x86::Rbx);
  ASSERT_TRUE(read("__memcpy_chk"));
  EXPECT_EQ(call_.event.index, 11);
  EXPECT_FALSE(call_.event.resumable);
}

TEST_P(CallEventTest, Strings_count_with_their_end) {
  text(0x8000, "ab");
  text(0x8100, "twelve chars");
  argument(0, 0x8000);
  argument(1, 0x8100);
  argument(2, 13);
  EXPECT_FALSE(read("__strcpy_chk"));
  argument(2, 12);
  ASSERT_TRUE(read("__strcpy_chk"));
  EXPECT_EQ(call_.event.index, 12);
  EXPECT_EQ(call_.event.upper, 11);
  EXPECT_FALSE(call_.event.resumable);
  argument(2, 14);
  ASSERT_TRUE(read("__strcat_chk"));
  EXPECT_EQ(call_.event.index, 14);
  argument(2, 4);
  argument(3, 7);
  EXPECT_FALSE(read("__strncat_chk"));
  argument(3, 6);
  ASSERT_TRUE(read("__strncat_chk"));
  EXPECT_EQ(call_.event.index, 6);
  frame_.has_begun = true;
  ASSERT_TRUE(read("__strncat_chk"));
  EXPECT_EQ(call_.event.confidence, Confidence::Unknown);
}

TEST_P(CallEventTest, Counts_without_end_are_not_said) {
  argument(1, 1);
  argument(2, ~uint64_t{0} >> 1);
  argument(3, 8);
  ASSERT_TRUE(read("__fread_chk"));
  EXPECT_EQ(call_.event.confidence, frame_.is_64bit ? Confidence::Unknown : Confidence::Certain);
  argument(2, 0);
  EXPECT_FALSE(read("__fread_chk"));
}

TEST_P(CallEventTest, Assertions_are_told_apart_by_their_words) {
  text(0x8000, "vector.h");
  text(0x8100, "__n < this->size()");
  argument(0, 0x8000);
  argument(1, 1123);
  argument(3, 0x8100);
  ASSERT_TRUE(read("_ZSt21__glibcxx_assert_failPKciS0_S0_"));
  EXPECT_STREQ(call_.detail, "vector.h:1123: __n < this->size()");
  text(0x8100, "get() != pointer()");
  EXPECT_FALSE(read("_ZSt21__glibcxx_assert_failPKciS0_S0_"));

  text(0x8200, "%s:%d: assertion %s failed: %s\n");
  text(0x8300, "vector[] index out of bounds");
  argument(0, 0x8200);
  argument(1, 0x8000);
  argument(2, 42);
  argument(3, 0x8100);
  argument(4, 0x8300);
  ASSERT_TRUE(read("_ZNSt3__122__libcpp_verbose_abortEPKcz"));
  EXPECT_STREQ(call_.detail, "vector.h:42: vector[] index out of bounds");
}

INSTANTIATE_TEST_SUITE_P(Classes, CallEventTest, ::testing::Bool());

TEST(ArrayLength, Is_the_outermost_dimension_or_nothing) {
  const auto length = [](const char* name) {
    uint64_t value = 0;
    return parse_array_length(name, value) ? static_cast<int64_t>(value) : -1;
  };
  EXPECT_EQ(length("'int[10]'"), 10);
  EXPECT_EQ(length("'int [10]'"), 10);
  EXPECT_EQ(length("'int[3][4]'"), 3);
  EXPECT_EQ(length("'int (*[5])(char)'"), 5);
  EXPECT_EQ(length("'struct Box<int[7]>[2]'"), 2);
  EXPECT_EQ(length("'char[0]'"), 0);
  for (const char* const unknown :
       {"'int'", "'int[]'", "'int [*]'", "'int[n]'", "'int[10 + n]'", "'int[10", "'int[", "",
        "'S<(a > b)>[3]'", "'(lambda at x[3].cc:1:2)[4]'", "'int[99999999999999999999]'"}) {
    EXPECT_EQ(length(unknown), -1) << unknown;
  }
}

TEST(Assertions, About_bounds_and_about_other_matters) {
  for (const char* const bounds :
       {"__n < this->size()", "!this->empty()", "__pos <= size()", "this->_M_len > 0",
        "__pos < this->_M_len", "__count <= size()", "__pos != end()"}) {
    EXPECT_TRUE(is_bounds_condition(bounds)) << bounds;
  }
  for (const char* const other :
       {"get() != pointer()", "_M_has_value", "__b != memory_order_acquire",
        "__v.size() == __w.size()", "_M_get_Node_allocator() == *__nh._M_alloc", ""}) {
    EXPECT_FALSE(is_bounds_condition(other)) << other;
  }
  EXPECT_TRUE(is_bounds_message("span<T>::operator[](index): index out of range"));
  EXPECT_TRUE(is_bounds_message("front() called on an empty vector"));
  EXPECT_FALSE(is_bounds_message("optional operator* called on a disengaged value"));
  EXPECT_FALSE(is_bounds_message("bad_cast was thrown in -fno-exceptions mode"));
}

TEST(HardeningMessages, Are_those_of_libcxx_that_are_about_bounds) {
  char detail[kDetailSize];
  EXPECT_TRUE(read_hardening_message(
      "libc++: /v1/vector:653: assertion !empty() failed: front() called on an empty vector",
      detail));
  EXPECT_STREQ(detail, "/v1/vector:653: front() called on an empty vector");
  EXPECT_TRUE(read_hardening_message("libc++: string_view[] index out of bounds", detail));
  EXPECT_STREQ(detail, "string_view[] index out of bounds");
  const std::string endless = "libc++: out of bounds " + std::string(5000, 'x');
  EXPECT_TRUE(read_hardening_message(endless.c_str(), detail));
  EXPECT_EQ(strlen(detail), kDetailSize - 1);
  for (const char* const other :
       {"", "libc++", "libc++: ", "Bounds: index out of bounds",
        "libc++: /v1/optional:1: assertion has_value() failed: optional operator* called on a "
        "disengaged value"}) {
    EXPECT_FALSE(read_hardening_message(other, detail)) << other;
    EXPECT_STREQ(detail, "") << other;
  }
}

TEST(Families, Are_named_or_refused) {
  FamilySet set = 0;
  EXPECT_TRUE(parse_families("all", set));
  EXPECT_EQ(set, kAllFamilies);
  EXPECT_TRUE(parse_families("fortify,libc++", set));
  EXPECT_EQ(set, family_bit(Family::Fortify) | family_bit(Family::Libcxx));
  EXPECT_TRUE(parse_families("none", set));
  EXPECT_EQ(set, 0);
  for (const char* const wrong : {"", ",", "fortify,", "nonsense", "all,fortify", "ubsa"}) {
    EXPECT_FALSE(parse_families(wrong, set)) << wrong;
  }
  EXPECT_EQ(set, 0);
}

}  // namespace
}  // namespace kebound::calls
