// SPDX-License-Identifier: Apache-2.0
//
// What a compiler may have known about the compared number: of table[k + 3] it makes "k < 7" then.
#include "trap/x86/function_facts.h"

#include "trap/x86/testing_recovery.h"

namespace kebound::x86 {
namespace {

struct Code {
  std::vector<uint8_t> bytes;
  uint64_t trap;  // where it is
};

// cmp $7,%rdi; jae 1f; mov 12(%rsi,%rdi,4),%eax; ret; 1: ud1 0x12(%eax),%eax
const Code kParameter = {{0x48, 0x83, 0xff, 0x07, 0x73, 0x05, 0x8b, 0x44, 0xbe, 0x0c, 0xc3, 0x67,
                          0x0f, 0xb9, 0x40, 0x12},
                         11};
// The same without the displacement.
const Code kPlain = {
    {0x48, 0x83, 0xff, 0x07, 0x73, 0x04, 0x8b, 0x04, 0xbe, 0xc3, 0x67, 0x0f, 0xb9, 0x40, 0x12}, 10};
// mov 0x1000(%rip),%rax; cmp $7,%rax; jae 1f; mov 12(%rsi,%rax,4),%eax; ret; 1: ud1
// 0x12(%eax),%eax
const Code kVariable = {{0x48, 0x8b, 0x05, 0x00, 0x10, 0x00, 0x00, 0x48, 0x83, 0xf8, 0x07, 0x73,
                         0x05, 0x8b, 0x44, 0x86, 0x0c, 0xc3, 0x67, 0x0f, 0xb9, 0x40, 0x12},
                        18};
// The same with mov (%rdx),%rax.
const Code kPointed = {{0x48, 0x8b, 0x02, 0x48, 0x83, 0xf8, 0x07, 0x73, 0x05, 0x8b, 0x44, 0x86,
                        0x0c, 0xc3, 0x67, 0x0f, 0xb9, 0x40, 0x12},
                       14};
// mov (%rdx),%eax; cmp $5,%rax; jae 1f; mov (%rsi,%rax,8),%eax; ret; 1: ud1 0x12(%eax),%eax
const Code kUnsignedInt = {{0x8b, 0x02, 0x48, 0x83, 0xf8, 0x05, 0x73, 0x04, 0x8b, 0x04, 0xc6, 0xc3,
                            0x67, 0x0f, 0xb9, 0x40, 0x12},
                           12};
// The same with movslq (%rdx),%rax.
const Code kInt = {{0x48, 0x63, 0x02, 0x48, 0x83, 0xf8, 0x05, 0x73, 0x04, 0x8b, 0x04, 0xc6, 0xc3,
                    0x67, 0x0f, 0xb9, 0x40, 0x12},
                   13};
// mov (%rdx),%al; cmp $7,%al; jae 1f; movzbl %al,%eax; mov 12(%rsi,%rax,4),%eax; ret;
// 1: ud1 0x12(%eax),%eax
const Code kOctet = {{0x8a, 0x02, 0x3c, 0x07, 0x73, 0x08, 0x0f, 0xb6, 0xc0, 0x8b, 0x44, 0x86, 0x0c,
                      0xc3, 0x67, 0x0f, 0xb9, 0x40, 0x12},
                     14};
// movzbl %dil,%eax; cmp $6,%rax; ja 1f; mov 12(%rsi,%rax,4),%eax; ret; 1: ud2
const Code kUd2 = {{0x40, 0x0f, 0xb6, 0xc7, 0x48, 0x83, 0xf8, 0x06, 0x77, 0x05, 0x8b, 0x44, 0x86,
                    0x0c, 0xc3, 0x0f, 0x0b},
                   15};

class FactsOfFunctions : public CheckRecovery {
 protected:
  static FunctionFacts made_by(Compiler compiler, uint16_t version,
                               Linkage linkage = Linkage::Unknown) {
    FunctionFacts made;
    made.compiler = compiler;
    made.version = version;
    made.linkage = linkage;
    return made;
  }
  static FunctionFacts with_parameter(FunctionFacts made, Gpr reg, uint8_t bits) {
    made.parameters[reg] = {bits, true};
    return made;
  }

  // At the trap of `code`, which has compared 9 with `limit`.
  void fail(const Code& code, uint64_t limit, unsigned bits = 64) {
    cache = std::make_unique<RecoveryCache>();
    ranges.clear();
    asked_for_facts = 0;
    function(code.bytes, code.trap);
    registers.gpr[Rax] = registers.gpr[Rdi] = 9;
    memory.write_value<uint64_t>(kCode + 0x1007, 9);  // the variable
    compared(9, limit, bits);
    is_event = recover();
  }
  Confidence confidence(const Code& code, uint64_t limit, unsigned bits = 64) {
    fail(code, limit, bits);
    EXPECT_TRUE(is_event);
    if (is_event && event.confidence != Confidence::Unknown) {
      EXPECT_EQ(event.index, 9);
      EXPECT_EQ(event.lower, 0);
    }
    return event.confidence;
  }
  bool is_event = false;
};

TEST_F(FactsOfFunctions, ALongParameterIsTheIndexWhereItsCompilerKnewNothingOfIt) {
  EXPECT_EQ(confidence(kParameter, 7), Confidence::Unknown);
  EXPECT_EQ(asked_for_facts, 1u);
  const struct {
    FunctionFacts facts;
    Confidence confidence;
  } cases[] = {
      {made_by(Compiler::Clang, 14), Confidence::Likely},
      {made_by(Compiler::Clang, 16, Linkage::Local), Confidence::Likely},
      {made_by(Compiler::Clang, 17, Linkage::Local), Confidence::Unknown},
      {made_by(Compiler::Clang, 19), Confidence::Unknown},
      {made_by(Compiler::Clang, 19, Linkage::Global), Confidence::Likely},
      {made_by(Compiler::Clang, 0, Linkage::Local), Confidence::Unknown},
      {made_by(Compiler::Unknown, 0, Linkage::Global), Confidence::Likely},
      {made_by(Compiler::Unknown, 0, Linkage::Local), Confidence::Unknown},
  };
  for (const auto& one : cases) {
    facts = with_parameter(one.facts, Rdi, 64);
    EXPECT_EQ(confidence(kParameter, 7), one.confidence)
        << static_cast<int>(one.facts.linkage) << one.facts.version;
    EXPECT_EQ(asked_for_facts, 1u);
  }
}

// The caller extends it.
TEST_F(FactsOfFunctions, ANarrowParameterHasARange) {
  for (const uint8_t bits : {uint8_t{8}, uint8_t{16}, uint8_t{32}}) {
    facts = with_parameter(made_by(Compiler::Clang, 14, Linkage::Global), Rdi, bits);
    EXPECT_EQ(confidence(kParameter, 7), Confidence::Unknown) << unsigned{bits};
  }
}

TEST_F(FactsOfFunctions, AParameterMustBeKnownToBeInThatRegister) {
  facts = with_parameter(made_by(Compiler::Clang, 14, Linkage::Global), Rsi, 64);
  EXPECT_EQ(confidence(kParameter, 7), Confidence::Unknown);
}

TEST_F(FactsOfFunctions, NobodyIsAskedWhereTheCodeDecides) {
  EXPECT_EQ(confidence(kPlain, 7), Confidence::Certain);
  EXPECT_EQ(confidence(kPointed, 7), Confidence::Certain);
  EXPECT_EQ(confidence(kInt, 5), Confidence::Certain);
  EXPECT_EQ(asked_for_facts, 0u);
}

// What others may do with the function says nothing about a variable.
TEST_F(FactsOfFunctions, AVariableIsTheIndexWhereOldCompilersReadIt) {
  EXPECT_EQ(confidence(kVariable, 7), Confidence::Unknown);
  facts = made_by(Compiler::Clang, 19, Linkage::Global);
  EXPECT_EQ(confidence(kVariable, 7), Confidence::Unknown);
  facts = made_by(Compiler::Clang, 16);
  EXPECT_EQ(confidence(kVariable, 7), Confidence::Likely);
}

// 2ul * u < 10 is u < 5.
TEST_F(FactsOfFunctions, AMultipleOfAnUnsignedIntDoesNotOverflowAsASize) {
  EXPECT_EQ(confidence(kUnsignedInt, 5), Confidence::Unknown);
  facts = made_by(Compiler::Clang, 14, Linkage::Global);
  EXPECT_EQ(confidence(kUnsignedInt, 5), Confidence::Unknown);
  EXPECT_EQ(asked_for_facts, 0u) << "no function is such that it would";
}

TEST_F(FactsOfFunctions, WhatIsComparedWithEightBitsHasARange) {
  EXPECT_EQ(confidence(kOctet, 7, 8), Confidence::Unknown);
}

// Of table[3ul * u + 2] the constant may have been moved to the limit.
TEST_F(FactsOfFunctions, AMultipleHasTheRangeOfWhatItIsOf) {
  // mov (%rdx),%eax; lea (%rax,%rax,2),%rax; cmp $8,%rax; jae 1f; mov 8(%rsi,%rax,4),%eax; ret;
  // 1: ud1 0x12(%eax),%eax
  const Code code = {{0x8b, 0x02, 0x48, 0x8d, 0x04, 0x40, 0x48, 0x83, 0xf8, 0x08, 0x73,
                      0x05, 0x8b, 0x44, 0x86, 0x08, 0xc3, 0x67, 0x0f, 0xb9, 0x40, 0x12},
                     17};
  EXPECT_EQ(confidence(code, 8), Confidence::Unknown);
}

// Of table[2 * k + 1] as well: what is compared is even.
TEST_F(FactsOfFunctions, AnEvenMultipleMayHaveHadAConstant) {
  // mov (%rdx),%rax; add %rax,%rax; cmp $8,%rax; jae 1f; mov 4(%rsi,%rax,4),%eax; ret;
  // 1: ud1 0x12(%eax),%eax
  const Code code = {{0x48, 0x8b, 0x02, 0x48, 0x01, 0xc0, 0x48, 0x83, 0xf8, 0x08, 0x73,
                      0x05, 0x8b, 0x44, 0x86, 0x04, 0xc3, 0x67, 0x0f, 0xb9, 0x40, 0x12},
                     17};
  EXPECT_EQ(confidence(code, 8), Confidence::Unknown);
}

// 8 * k < 7 is k == 0.
TEST_F(FactsOfFunctions, ALimitOfOneMayBeThatOfAMultiple) {
  // mov (%rdx),%rax; cmp $1,%rax; jae 1f; mov (%rsi,%rax,8),%eax; ret; 1: ud1 0x12(%eax),%eax
  const Code code = {{0x48, 0x8b, 0x02, 0x48, 0x83, 0xf8, 0x01, 0x73, 0x04, 0x8b, 0x04, 0xc6, 0xc3,
                      0x67, 0x0f, 0xb9, 0x40, 0x12},
                     13};
  EXPECT_EQ(confidence(code, 1), Confidence::Unknown);
}

TEST_F(FactsOfFunctions, AUd2IsFoldedAsItsCompilerDoesIt) {
  EXPECT_EQ(confidence(kUd2, 6), Confidence::Likely);
  EXPECT_EQ(asked_for_facts, 1u);
  facts = made_by(Compiler::Gcc, 12);
  facts.checks = IndexChecks::Yes;
  EXPECT_EQ(confidence(kUd2, 6), Confidence::Likely);
  facts.checks = IndexChecks::Unknown;
  EXPECT_EQ(confidence(kUd2, 6), Confidence::Likely);
}

// It is one of a number all the same.
TEST_F(FactsOfFunctions, AUd2OfAnUnknownIndexIsABoundsFailure) {
  for (const Compiler compiler : {Compiler::Gcc, Compiler::Clang}) {
    facts = made_by(compiler, 14);
    if (compiler == Compiler::Gcc) facts.checks = IndexChecks::No;
    EXPECT_EQ(confidence(kUd2, 6), Confidence::Unknown);
    EXPECT_EQ(event.doubt, Doubt::Scaled);
    EXPECT_EQ(event.check, CheckKind::ArrayBounds);
    EXPECT_FALSE(event.resumable);
  }
}

// clang's local-bounds: of ten elements the last one that passes is taken out by the second branch,
// or cannot be a multiple.
TEST_F(FactsOfFunctions, TheLimitOfAUd2OfClangMayNotBeTheArrays) {
  // cmp $7,%rdi; ja 1f; cmp $2,%esi; je 1f; mov (%rdx,%rdi,4),%eax; ret; 1: ud2
  const Code split = {{0x48, 0x83, 0xff, 0x07, 0x77, 0x09, 0x83, 0xfe, 0x02, 0x74, 0x04, 0x8b, 0x04,
                       0xba, 0xc3, 0x0f, 0x0b},
                      15};
  // lea (%rsi,%rsi,2),%rax; cmp $7,%rax; ja 1f; mov (%rdx,%rax,4),%eax; ret; 1: ud2
  const Code multiple = {{0x48, 0x8d, 0x04, 0x76, 0x48, 0x83, 0xf8, 0x07, 0x77, 0x04, 0x8b, 0x04,
                          0x82, 0xc3, 0x0f, 0x0b},
                         14};
  registers.gpr[Rsi] = 3;
  for (const Code* const code : {&split, &multiple}) {
    facts = made_by(Compiler::Gcc, 12);
    EXPECT_EQ(confidence(*code, 7), Confidence::Certain);
    facts = made_by(Compiler::Clang, 16);
    EXPECT_EQ(confidence(*code, 7), Confidence::Unknown);
  }
}

// clang's second check of the same access would see the old number.
TEST_F(FactsOfFunctions, ASecondCheckOfWhatWasReadFromAnArrayForbidsResuming) {
  // mov (%rsi,%rdi,8),%rdx; lea (%rdx,%rdx,1),%rcx; cmp $10,%rcx; jae 1f; shl $3,%rdx;
  // cmp $39,%rdx; ja 2f; mov (%r8,%rcx,4),%eax; ret; 1: ud1 0x12(%eax),%eax; 2: ud2
  function({0x48, 0x8b, 0x14, 0xfe, 0x48, 0x8d, 0x0c, 0x12, 0x48, 0x83, 0xf9, 0x0a,
            0x73, 0x0f, 0x48, 0xc1, 0xe2, 0x03, 0x48, 0x83, 0xfa, 0x27, 0x77, 0x0a,
            0x41, 0x8b, 0x04, 0x88, 0xc3, 0x67, 0x0f, 0xb9, 0x40, 0x12, 0x0f, 0x0b},
           29);
  registers.gpr[Rcx] = 12;
  registers.gpr[Rdx] = 6;
  compared(12, 10);
  ASSERT_TRUE(recover());
  EXPECT_EQ(event.confidence, Confidence::Certain);
  EXPECT_EQ(event.index, 12);
  EXPECT_FALSE(event.resumable);
  EXPECT_EQ(event.doubt, Doubt::DerivedValues);
}

}  // namespace
}  // namespace kebound::x86
