// SPDX-License-Identifier: Apache-2.0
//
// Arrays of structures and of arrays as evidence: an index of 8 bits, in 64-bit code.
#include "trap/x86/testing_recovery.h"

namespace kebound::x86 {
namespace {

class ArrayNests : public CheckRecovery {
 protected:
  // The code ends in the trap. `lea` of 7 bytes at `lea_at` points 0x1000 bytes behind itself.
  void code(const std::vector<uint8_t>& bytes, uint64_t lea_at, uint64_t limit) {
    bytes_ = bytes;
    limit_ = limit;
    table = kCode + lea_at + 7 + 0x1000;
  }
  // What is said of an index that is twice the limit.
  Confidence said() {
    cache = std::make_unique<RecoveryCache>();
    ranges.clear();
    function(bytes_, bytes_.size() - 5);
    registers.gpr[Rax] = registers.gpr[Rdi] = 2 * limit_;
    compared(2 * limit_, limit_, 32);
    EXPECT_TRUE(recover());
    if (event.confidence == Confidence::Certain) {
      EXPECT_EQ(event.index, static_cast<int64_t>(2 * limit_));
      EXPECT_EQ(event.upper, static_cast<int64_t>(limit_ - 1));
    }
    return event.confidence;
  }
  uint64_t table = 0;

 private:
  std::vector<uint8_t> bytes_;
  uint64_t limit_ = 0;
};

// movzbl %dil,%eax; cmp $5,%eax; jae 1f; lea (%rax,%rax,2),%rax; lea table(%rip),%rcx;
// mov 8(%rcx,%rax,8),%rax; ret; 1: ud1 0x12(%eax),%eax
const std::vector<uint8_t> kStructures = {
    0x40, 0x0f, 0xb6, 0xc7, 0x83, 0xf8, 0x05, 0x73, 0x11, 0x48, 0x8d, 0x04, 0x40, 0x48, 0x8d, 0x0d,
    0x00, 0x10, 0x00, 0x00, 0x48, 0x8b, 0x44, 0xc1, 0x08, 0xc3, 0x67, 0x0f, 0xb9, 0x40, 0x12};

TEST_F(ArrayNests, Structures_of_the_stride_s_length_confirm_the_index) {
  code(kStructures, 13, 5);
  EXPECT_EQ(said(), Confidence::Unknown) << "nothing is known";
  arrays[table] = {5, 24};
  EXPECT_EQ(said(), Confidence::Certain);
  // A member may be an array as well.
  outer_arrays.insert({table + 8, {2, 8}});
  EXPECT_EQ(said(), Confidence::Certain);
}

TEST_F(ArrayNests, Other_structures_do_not) {
  code(kStructures, 13, 5);
  for (const KnownArray& other : {KnownArray{10, 12}, {4, 24}, {6, 24}, {5, 32}, {15, 8}}) {
    arrays[table] = other;
    EXPECT_EQ(said(), Confidence::Unknown) << other.count << " of " << other.element_size;
  }
}

// structures[k + 1] of six.
TEST_F(ArrayNests, The_second_element_does_not) {
  code(kStructures, 13, 5);
  for (const uint64_t before : {24u, 17u}) {
    arrays.clear();
    arrays[table - before] = {5, 24};
    EXPECT_EQ(said(), Confidence::Unknown) << before;
  }
  arrays.clear();
  arrays[table - 8] = {5, 24};
  EXPECT_EQ(said(), Confidence::Certain) << "the last member of the first one";
}

// movzbl %dil,%eax; cmp $4,%eax; jae 1f; movslq %esi,%rsi; shl $5,%rsi; lea table(%rip),%rcx;
// add %rsi,%rcx; mov 8(%rcx,%rax,4),%eax; ret; 1: ud1 0x12(%eax),%eax: table[i].items[k], of k
const std::vector<uint8_t> kColumn = {0x40, 0x0f, 0xb6, 0xc7, 0x83, 0xf8, 0x04, 0x73, 0x16,
                                      0x48, 0x63, 0xf6, 0x48, 0xc1, 0xe6, 0x05, 0x48, 0x8d,
                                      0x0d, 0x00, 0x10, 0x00, 0x00, 0x48, 0x01, 0xf1, 0x8b,
                                      0x44, 0x81, 0x08, 0xc3, 0x67, 0x0f, 0xb9, 0x40, 0x12};

TEST_F(ArrayNests, An_index_within_a_row_is_confirmed_where_the_rows_are_an_array_as_well) {
  code(kColumn, 16, 4);
  outer_arrays.insert({table + 8, {4, 4}});
  EXPECT_EQ(said(), Confidence::Unknown) << "the other number is nothing's index";
  arrays[table] = {3, 32};
  EXPECT_EQ(said(), Confidence::Certain);
  arrays[table] = {3, 48};
  EXPECT_EQ(said(), Confidence::Unknown);
  // Of three dimensions, and more rows before.
  arrays[table] = {2, 96};
  outer_arrays.insert({table - 64, {9, 32}});
  EXPECT_EQ(said(), Confidence::Certain);
}

// table[i].items[k + 1] of five.
TEST_F(ArrayNests, The_second_in_each_row_leaves_it_open) {
  code(kColumn, 16, 4);
  arrays[table] = {3, 32};
  outer_arrays.insert({table + 4, {5, 4}});
  EXPECT_EQ(said(), Confidence::Unknown);
}

// movzbl %dil,%eax; cmp $3,%eax; jae 1f; movslq %esi,%rsi; shl $4,%rax; lea table(%rip),%rcx;
// add %rax,%rcx; mov (%rcx,%rsi,4),%eax; ret; 1: ud1 0x12(%eax),%eax: table[i][k], of i
const std::vector<uint8_t> kRow = {0x40, 0x0f, 0xb6, 0xc7, 0x83, 0xf8, 0x03, 0x73, 0x15,
                                   0x48, 0x63, 0xf6, 0x48, 0xc1, 0xe0, 0x04, 0x48, 0x8d,
                                   0x0d, 0x00, 0x10, 0x00, 0x00, 0x48, 0x01, 0xc1, 0x8b,
                                   0x04, 0xb1, 0xc3, 0x67, 0x0f, 0xb9, 0x40, 0x12};

TEST_F(ArrayNests, A_row_s_number_is_confirmed_by_the_rows) {
  code(kRow, 16, 3);
  arrays[table] = {3, 16};
  EXPECT_EQ(said(), Confidence::Unknown) << "the other number is nothing's index";
  outer_arrays.insert({table, {4, 4}});
  EXPECT_EQ(said(), Confidence::Certain);
}

// union { int flat[12]; int rows[3][4]; }: of flat[4 * i] clang compares i with 3, too.
TEST_F(ArrayNests, Rows_in_a_union_with_a_flat_array_are_none) {
  code(kStructures, 13, 5);
  for (const uint64_t flat : {30u, 15u, 14u, 1u}) {
    outer_arrays.clear();
    outer_arrays.insert({table, {5, 24}});
    outer_arrays.insert({table, {flat, 8}});
    members_of_union = 2;
    EXPECT_EQ(said(), flat < 14 || flat == 30 ? Confidence::Certain : Confidence::Unknown) << flat;
  }
}

// A flat array of twelve, of which the fourth, eighth, ... are checked.
TEST_F(ArrayNests, A_flat_array_has_no_rows) {
  code(kRow, 16, 3);
  arrays[table] = {12, 4};
  EXPECT_EQ(said(), Confidence::Unknown);
}

// movzbl %dil,%eax; cmp $5,%eax; jae 1f; lea table(%rip),%rcx; lea 12(%rcx,%rax,4),%rdx;
// mov (%rcx,%rax,4),%eax; ret; 1: ud1 0x12(%eax),%eax: of rdx, a result, only the array knows
TEST_F(ArrayNests, An_address_that_is_passed_on_has_to_be_of_the_element_as_well) {
  std::vector<uint8_t> bytes = {0x40, 0x0f, 0xb6, 0xc7, 0x83, 0xf8, 0x05, 0x73, 0x10, 0x48,
                                0x8d, 0x0d, 0x00, 0x10, 0x00, 0x00, 0x48, 0x8d, 0x54, 0x81,
                                0x0c, 0x8b, 0x04, 0x81, 0xc3, 0x67, 0x0f, 0xb9, 0x40, 0x12};
  for (const uint8_t displacement : {uint8_t{12}, uint8_t{0}}) {
    bytes[20] = displacement;
    code(bytes, 9, 5);
    arrays[table] = {5, 4};
    EXPECT_EQ(said(), displacement == 0 ? Confidence::Certain : Confidence::Unknown);
  }
}

// movzbl %dil,%eax; add %rax,%rax; cmp $10,%eax; jae 1f; mov %eax,%ecx; or $1,%rcx; cmp $9,%ecx;
// ja 1f; lea table(%rip),%rdx; movzbl (%rax,%rdx,1),%esi; movzbl (%rcx,%rdx,1),%eax; ret;
// 1: ud1 0x12(%eax),%eax: clang 14's table[2 * k] and table[2 * k + 1]
const std::vector<uint8_t> kPair = {
    0x40, 0x0f, 0xb6, 0xc7, 0x48, 0x01, 0xc0, 0x83, 0xf8, 0x0a, 0x73, 0x1b, 0x89, 0xc1, 0x48,
    0x83, 0xc9, 0x01, 0x83, 0xf9, 0x09, 0x77, 0x10, 0x48, 0x8d, 0x15, 0x00, 0x10, 0x00, 0x00,
    0x0f, 0xb6, 0x34, 0x10, 0x0f, 0xb6, 0x04, 0x11, 0xc3, 0x67, 0x0f, 0xb9, 0x40, 0x12};

TEST_F(ArrayNests, A_neighbour_with_a_check_of_its_own_is_that_check_s_matter) {
  code(kPair, 23, 10);
  EXPECT_EQ(said(), Confidence::Unknown);
  arrays[table] = {10, 1};
  EXPECT_EQ(said(), Confidence::Likely) << "both fail, and a compiler may change their order";
  arrays[table] = {12, 1};
  EXPECT_EQ(said(), Confidence::Unknown);
}

// clang 19's: which of both was checked is not known.
TEST_F(ArrayNests, A_neighbour_without_one_leaves_it_open) {
  std::vector<uint8_t> bytes = kPair;
  for (size_t i = 18; i < 23; ++i) bytes[i] = 0x90;
  code(bytes, 23, 10);
  arrays[table] = {10, 1};
  EXPECT_EQ(said(), Confidence::Unknown);
}

// or $2,%rcx, of what is even: it may have that bit.
TEST_F(ArrayNests, A_bit_that_may_be_there_is_not_added) {
  std::vector<uint8_t> bytes = kPair;
  bytes[17] = 2;
  code(bytes, 23, 10);
  arrays[table] = {10, 1};
  EXPECT_EQ(said(), Confidence::Unknown);
}

}  // namespace
}  // namespace kebound::x86
