// SPDX-License-Identifier: Apache-2.0
//
// Arrays as evidence for checks of gcc's, in 64-bit code.
#include "trap/x86/testing_recovery.h"

namespace kebound::x86 {
namespace {

class ArraysBehindUd2 : public CheckRecovery {
 protected:
  // `lea` of 7 bytes at `lea_at` points 0x1000 bytes behind itself.
  void code(const std::vector<uint8_t>& bytes, uint64_t trap_at, uint64_t lea_at) {
    bytes_ = bytes;
    trap_at_ = trap_at;
    table = kCode + lea_at + 7 + 0x1000;
  }
  // What is said of `index`, which is in `reg` and was compared with `limit`, in front of the
  // arrays that are known.
  Confidence said(Gpr reg, uint64_t index, uint64_t limit, unsigned bits = 64) {
    cache = std::make_unique<RecoveryCache>();
    ranges.clear();
    function(bytes_, trap_at_);
    registers.gpr[Rbp] = kStack + 0x100;
    registers.gpr[reg] = index;
    compared(index, limit, bits);
    event = {};
    if (!recover()) return Confidence::Unknown;
    if (event.confidence != Confidence::Unknown) {
      EXPECT_EQ(event.index, static_cast<int64_t>(index));
    }
    return event.confidence;
  }
  uint64_t table = 0;

 private:
  std::vector<uint8_t> bytes_;
  uint64_t trap_at_ = 0;
};

// movzbl %dil,%eax; cmp $10,%rax; ja 1f; lea table(%rip),%rcx; lea (%rcx,%rax,4),%rax; ret; 1: ud2
const std::vector<uint8_t> kAddress = {0x40, 0x0f, 0xb6, 0xc7, 0x48, 0x83, 0xf8, 0x0a,
                                       0x77, 0x0c, 0x48, 0x8d, 0x0d, 0x00, 0x10, 0x00,
                                       0x00, 0x48, 0x8d, 0x04, 0x81, 0xc3, 0x0f, 0x0b};

TEST_F(ArraysBehindUd2, An_address_may_be_the_one_behind_the_last_element) {
  code(kAddress, 22, 10);
  EXPECT_EQ(said(Rax, 20, 10), Confidence::Unknown) << "nothing is known";
  arrays[table] = {10, 4};
  EXPECT_EQ(said(Rax, 20, 10), Confidence::Likely);
  EXPECT_EQ(event.upper, 10);
}

TEST_F(ArraysBehindUd2, An_address_in_another_array_is_no_evidence) {
  code(kAddress, 22, 10);
  for (const KnownArray& other : {KnownArray{9, 4}, {11, 4}, {12, 4}, {10, 8}, {20, 2}, {40, 1}}) {
    arrays[table] = other;
    EXPECT_EQ(said(Rax, 20, 10), Confidence::Unknown)
        << other.count << " of " << other.element_size;
  }
  // array[k + 1], of eleven.
  arrays.clear();
  arrays[table - 4] = {10, 4};
  EXPECT_EQ(said(Rax, 20, 10), Confidence::Unknown);
}

// test %edi,%edi; jne 1f; movslq %edi,%rdi; lea table(%rip),%rax; mov (%rax,%rdi,4),%eax; ret;
// 1: ud2
TEST_F(ArraysBehindUd2, An_array_of_one_element_has_a_limit_of_one) {
  code({0x85, 0xff, 0x75, 0x0e, 0x48, 0x63, 0xff, 0x48, 0x8d, 0x05,
        0x00, 0x10, 0x00, 0x00, 0x8b, 0x04, 0xb8, 0xc3, 0x0f, 0x0b},
       18, 7);
  EXPECT_EQ(said(Rdi, 5, 0, 32), Confidence::Unknown) << "i != 0 may be a condition, or 8 * i < 7";
  for (const KnownArray& other : {KnownArray{2, 4}, {10, 4}, {1, 8}, {2, 2}, {4, 1}}) {
    arrays[table] = other;
    EXPECT_EQ(said(Rdi, 5, 0, 32), Confidence::Unknown)
        << other.count << " of " << other.element_size;
  }
  arrays[table] = {1, 4};
  EXPECT_EQ(said(Rdi, 5, 0, 32), Confidence::Likely);
  EXPECT_EQ(event.upper, 0);
}

// mov %rdi,%rax; sar $8,%rax; and $3,%eax; movzbl %dil,%edi; add $1,%edi; movslq %edi,%rdx;
// cmp $3,%rdx; ja 1f; lea (%rdx,%rax,4),%rdx; lea table(%rip),%rax; mov (%rax,%rdx,4),%eax; ret;
// 1: ud2
const std::vector<uint8_t> kApart = {
    0x48, 0x89, 0xf8, 0x48, 0xc1, 0xf8, 0x08, 0x83, 0xe0, 0x03, 0x40, 0x0f, 0xb6, 0xff, 0x83,
    0xc7, 0x01, 0x48, 0x63, 0xd7, 0x48, 0x83, 0xfa, 0x03, 0x77, 0x0f, 0x48, 0x8d, 0x14, 0x82,
    0x48, 0x8d, 0x05, 0x00, 0x10, 0x00, 0x00, 0x8b, 0x04, 0x90, 0xc3, 0x0f, 0x0b};

TEST_F(ArraysBehindUd2, Other_bits_of_what_the_index_was_made_of_have_nothing_to_do_with_it) {
  code(kApart, 41, 30);
  EXPECT_GE(said(Rdx, 5, 3), Confidence::Likely);
  EXPECT_EQ(event.upper, 3);
  // sar $7: one bit of the index is in the other number.
  std::vector<uint8_t> bytes = kApart;
  bytes[6] = 7;
  code(bytes, 41, 30);
  EXPECT_EQ(said(Rdx, 5, 3), Confidence::Unknown);
}

// movsbq %dil,%rax, and as above.
TEST_F(ArraysBehindUd2, Copies_of_its_sign_are_no_other_bits) {
  std::vector<uint8_t> bytes = {0x48, 0x0f, 0xbe, 0xc7};
  bytes.insert(bytes.end(), kApart.begin() + 3, kApart.end());
  code(bytes, 42, 31);
  EXPECT_EQ(said(Rdx, 5, 3), Confidence::Unknown);
}

// mov %edi,%eax; shr %al; and $0x7f,%eax; cmp $4,%rax; ja 1f; and $1,%edi; lea (%rdi,%rax,2),%rdx;
// lea table(%rip),%rax; mov (%rax,%rdx,4),%eax; ret; 1: ud2: table[k / 2][k % 2]
TEST_F(ArraysBehindUd2, A_sum_of_small_numbers_is_no_address_that_is_passed_on) {
  std::vector<uint8_t> bytes = {0x89, 0xf8, 0xd0, 0xe8, 0x83, 0xe0, 0x7f, 0x48, 0x83, 0xf8, 0x04,
                                0x77, 0x12, 0x83, 0xe7, 0x01, 0x48, 0x8d, 0x14, 0x47, 0x48, 0x8d,
                                0x05, 0x00, 0x10, 0x00, 0x00, 0x8b, 0x04, 0x90, 0xc3, 0x0f, 0x0b};
  code(bytes, 31, 20);
  EXPECT_EQ(said(Rax, 6, 4), Confidence::Unknown) << "rows of two, or every second element";
  arrays[table] = {2, 4};
  outer_arrays.insert({table, {5, 8}});
  EXPECT_EQ(said(Rax, 6, 4), Confidence::Likely);
  // mov %esi,%edi; nop: it may be an address, with which rdx is one as well.
  bytes[13] = 0x89;
  bytes[14] = 0xf7;
  bytes[15] = 0x90;
  code(bytes, 31, 20);
  EXPECT_EQ(said(Rax, 6, 4), Confidence::Unknown);
}

// push %rbp; mov %rsp,%rbp; mov %rdi,-24(%rbp); mov -24(%rbp),%rax; mov %al,-1(%rbp);
// movzbl -1(%rbp),%eax; add $1,%eax; cltq; cmp $3,%rax; jbe 1f; ud2; 1: movzbl -1(%rbp),%eax;
// add $1,%eax; cltq; shl $4,%rax; mov %rax,%rdx; lea table(%rip),%rax; mov (%rdx,%rax),%eax;
// pop %rbp; ret: table[k + 1][0]
const std::vector<uint8_t> kAgain = {
    0x55, 0x48, 0x89, 0xe5, 0x48, 0x89, 0x7d, 0xe8, 0x48, 0x8b, 0x45, 0xe8, 0x88, 0x45, 0xff,
    0x0f, 0xb6, 0x45, 0xff, 0x83, 0xc0, 0x01, 0x48, 0x98, 0x48, 0x83, 0xf8, 0x03, 0x76, 0x02,
    0x0f, 0x0b, 0x0f, 0xb6, 0x45, 0xff, 0x83, 0xc0, 0x01, 0x48, 0x98, 0x48, 0xc1, 0xe0, 0x04,
    0x48, 0x89, 0xc2, 0x48, 0x8d, 0x05, 0x00, 0x10, 0x00, 0x00, 0x8b, 0x04, 0x02, 0x5d, 0xc3};

TEST_F(ArraysBehindUd2, A_number_that_was_calculated_again_is_the_index_of_the_array) {
  std::vector<uint8_t> bytes = kAgain;
  code(bytes, 30, 48);
  EXPECT_EQ(said(Rax, 5, 3), Confidence::Unknown);
  arrays[table] = {4, 4};
  outer_arrays.insert({table, {4, 16}});
  EXPECT_EQ(said(Rax, 5, 3), Confidence::Likely);
  // add $2,%eax: another number.
  bytes[38] = 2;
  code(bytes, 30, 48);
  EXPECT_EQ(said(Rax, 5, 3), Confidence::Unknown);
}

}  // namespace
}  // namespace kebound::x86
