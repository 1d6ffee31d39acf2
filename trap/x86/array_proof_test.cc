// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/testing_recovery.h"

namespace kebound::x86 {
namespace {

constexpr uint64_t kTable = 0x8004000;
constexpr uint64_t kOther = 0x8005000;

// What clang -m32 makes of an index of 8 bits: whether the table begins at the displacement is all
// that tells table[k] from table[k + 3].
class ArrayProof : public CheckRecovery {
 protected:
  ArrayProof() { mode = CodeMode::Bits32; }
  void at_trap(const std::vector<uint8_t>& code) {
    function(code, code.size() - 4);
    registers.cs = 0x23;
    registers.gpr[Rcx] = 200;
    compared(200, 100, 32);
  }
  // movzbl 4(%esp),%ecx; cmp $100,%ecx; jae 1f; mov kTable(,%ecx,4),%eax; ret; 1: ud1
  void plain() {
    at_trap({0x0f, 0xb6, 0x4c, 0x24, 0x04, 0x83, 0xf9, 0x64, 0x73, 0x08, 0x8b,
             0x04, 0x8d, 0x00, 0x40, 0x00, 0x08, 0xc3, 0x0f, 0xb9, 0x40, 0x12});
  }
};

TEST_F(ArrayProof, An_array_of_as_many_elements_confirms_the_index) {
  arrays[kTable] = {100, 4};
  plain();
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.confidence, Confidence::Certain);
  EXPECT_EQ(event.index, 200);
  EXPECT_EQ(event.lower, 0);
  EXPECT_EQ(event.upper, 99);
}

TEST_F(ArrayProof, Without_an_array_the_index_is_unknown) {
  plain();
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.confidence, Confidence::Unknown);
  EXPECT_EQ(event.doubt, Doubt::Scaled);
}

TEST_F(ArrayProof, An_array_of_another_length_does_not) {
  for (const uint64_t count : {99u, 101u, 103u}) {
    cache = std::make_unique<RecoveryCache>();
    ranges.clear();
    arrays[kTable] = {count, 4};
    plain();
    ASSERT_TRUE(recover());
    EXPECT_EQ(event.confidence, Confidence::Unknown) << count;
  }
}

TEST_F(ArrayProof, Elements_that_are_accessed_two_at_a_time_do_not) {
  arrays[kTable] = {200, 2};
  plain();
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.confidence, Confidence::Unknown);
}

TEST_F(ArrayProof, One_that_begins_elsewhere_does_not) {
  arrays[kTable - 12] = {103, 4};
  arrays[kTable + 4] = {100, 4};
  plain();
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.confidence, Confidence::Unknown);
}

// One check for table[k] and other[k + 3], of which the second is made first.
TEST_F(ArrayProof, All_that_is_accessed_has_to_confirm_it) {
  // movzbl 4(%esp),%ecx; cmp $100,%ecx; jae 1f; mov kTable(,%ecx,4),%eax;
  // mov kOther+12(,%ecx,4),%edx; ret; 1: ud1
  const std::vector<uint8_t> code = {0x0f, 0xb6, 0x4c, 0x24, 0x04, 0x83, 0xf9, 0x64, 0x73, 0x0f,
                                     0x8b, 0x04, 0x8d, 0x00, 0x40, 0x00, 0x08, 0x8b, 0x14, 0x8d,
                                     0x0c, 0x50, 0x00, 0x08, 0xc3, 0x0f, 0xb9, 0x40, 0x12};
  arrays[kTable] = {100, 4};
  arrays[kOther] = {103, 4};
  at_trap(code);
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.confidence, Confidence::Unknown);
}

// The address of other[k + 3] is made, and passed on.
TEST_F(ArrayProof, An_address_that_is_made_leaves_it_open) {
  // movzbl 4(%esp),%ecx; cmp $100,%ecx; jae 1f; mov kTable(,%ecx,4),%eax;
  // lea kOther+12(,%ecx,4),%edx; ret; 1: ud1
  arrays[kTable] = {100, 4};
  at_trap({0x0f, 0xb6, 0x4c, 0x24, 0x04, 0x83, 0xf9, 0x64, 0x73, 0x0f, 0x8b, 0x04, 0x8d, 0x00, 0x40,
           0x00, 0x08, 0x8d, 0x14, 0x8d, 0x0c, 0x50, 0x00, 0x08, 0xc3, 0x0f, 0xb9, 0x40, 0x12});
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.confidence, Confidence::Unknown);
}

// Of table[k] + k nothing is known but that it is a number: if table has pointers in it, what they
// point to is checked later.
TEST_F(ArrayProof, A_sum_with_the_element_leaves_nothing_open) {
  // movzbl 4(%esp),%ecx; cmp $100,%ecx; jae 1f; mov %ecx,%eax; add kTable(,%ecx,4),%eax; ret; 1:
  // ud1
  at_trap({0x0f, 0xb6, 0x4c, 0x24, 0x04, 0x83, 0xf9, 0x64, 0x73, 0x0a, 0x89, 0xc8,
           0x03, 0x04, 0x8d, 0x00, 0x40, 0x00, 0x08, 0xc3, 0x0f, 0xb9, 0x40, 0x12});
  arrays[kTable] = {101, 4};
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.confidence, Confidence::Unknown);
  cache = std::make_unique<RecoveryCache>();
  arrays[kTable] = {100, 4};
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.confidence, Confidence::Certain);
}

// mov kTable(,%ecx,4),%ecx; add kOther(,%edx,4),%eax: another number's pointer.
TEST_F(ArrayProof, A_sum_with_another_element_may_be_an_address) {
  at_trap({0x0f, 0xb6, 0x4c, 0x24, 0x04, 0x83, 0xf9, 0x64, 0x73, 0x11, 0x89,
           0xc8, 0x8b, 0x0c, 0x8d, 0x00, 0x40, 0x00, 0x08, 0x03, 0x04, 0x95,
           0x00, 0x50, 0x00, 0x08, 0xc3, 0x0f, 0xb9, 0x40, 0x12});
  arrays[kTable] = {100, 4};
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.confidence, Confidence::Unknown);
}

// union { int flat[100]; int rows[25][4]; } and the like.
TEST_F(ArrayProof, A_member_of_a_union_confirms_it_where_no_other_one_has_the_limit) {
  const auto said = [this](const std::vector<KnownArray>& members) {
    cache = std::make_unique<RecoveryCache>();
    ranges.clear();
    outer_arrays.clear();
    for (const KnownArray& member : members) outer_arrays.insert({kTable, member});
    members_of_union = static_cast<uint32_t>(members.size());
    plain();
    EXPECT_TRUE(recover());
    return event.confidence;
  };
  EXPECT_EQ(said({{4, 4}, {25, 16}, {100, 4}}), Confidence::Certain);
  EXPECT_EQ(said({{100, 4}, {10, 2}}), Confidence::Certain);
  EXPECT_EQ(said({{25, 16}, {101, 4}}), Confidence::Unknown);
  // Two of the shorter ones at once.
  EXPECT_EQ(said({{100, 4}, {200, 2}}), Confidence::Unknown);
  EXPECT_EQ(said({{100, 4}, {199, 2}}), Confidence::Unknown);
  EXPECT_EQ(said({{100, 4}, {400, 1}}), Confidence::Unknown);
}

// The same where it was made before the check.
TEST_F(ArrayProof, An_address_from_before_leaves_it_open) {
  // movzbl 4(%esp),%ecx; lea kOther+12(,%ecx,4),%edx; cmp $100,%ecx; jae 1f; mov (%edx),%edx;
  // mov kTable(,%ecx,4),%eax; ret; 1: ud1
  arrays[kTable] = {100, 4};
  at_trap({0x0f, 0xb6, 0x4c, 0x24, 0x04, 0x8d, 0x14, 0x8d, 0x0c, 0x50, 0x00,
           0x08, 0x83, 0xf9, 0x64, 0x73, 0x0a, 0x8b, 0x12, 0x8b, 0x04, 0x8d,
           0x00, 0x40, 0x00, 0x08, 0xc3, 0x0f, 0xb9, 0x40, 0x12});
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.confidence, Confidence::Unknown);
}

// 64-bit code has no displacement that would leave it open: the array alone says that what is
// accessed is not what was checked.
TEST_F(ArrayProof, Another_array_than_the_checked_one_contradicts) {
  mode = CodeMode::Bits64;
  // movzbl %dil,%ecx; cmp $7,%rcx; jae 1f; lea kCode+...(%rip),%rax; mov (%rax,%rcx,4),%eax; ret;
  // 1: ud1 0x12(%eax),%eax
  const std::vector<uint8_t> code = {0x40, 0x0f, 0xb6, 0xcf, 0x48, 0x83, 0xf9, 0x07, 0x73,
                                     0x0b, 0x48, 0x8d, 0x05, 0x00, 0x10, 0x00, 0x00, 0x8b,
                                     0x04, 0x88, 0xc3, 0x67, 0x0f, 0xb9, 0x40, 0x12};
  for (const uint64_t count : {0u, 7u, 10u}) {
    cache = std::make_unique<RecoveryCache>();
    ranges.clear();
    arrays.clear();
    if (count != 0) arrays[kCode + 17 + 0x1000] = {count, 4};
    function(code, code.size() - 5);
    registers.gpr[Rcx] = registers.gpr[Rdi] = 8;
    compared(8, 7);
    ASSERT_TRUE(recover());
    EXPECT_EQ(event.confidence, count == 10 ? Confidence::Unknown : Confidence::Certain) << count;
  }
}

}  // namespace
}  // namespace kebound::x86
