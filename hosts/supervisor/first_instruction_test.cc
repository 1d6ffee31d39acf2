// SPDX-License-Identifier: Apache-2.0
//
// execute() against the processor: each instruction is run for real on the same registers.
#include "hosts/supervisor/first_instruction.h"

#include <gtest/gtest.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <vector>

namespace kebound::supervisor {
namespace {

constexpr uint64_t kStatusFlags = 0x8d5;  // CF PF AF ZF SF OF

// Registers in, code, registers out: rdi points to `area`, what is run is copied into the middle.
struct Area {
  uint64_t rax, rcx, rdx, rflags;
};

class Processor {
 public:
  Processor() {
    page_ = static_cast<uint8_t*>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  }
  ~Processor() { munmap(page_, 4096); }

  Area run(const std::vector<uint8_t>& instruction, Area area) {
    // push the flags, load the registers, run, keep all.
    const std::vector<uint8_t> before = {0x53, 0x48, 0x89, 0xfb, 0xff, 0x73, 0x18, 0x9d, 0x48, 0x8b,
                                         0x03, 0x48, 0x8b, 0x4b, 0x08, 0x48, 0x8b, 0x53, 0x10};
    const std::vector<uint8_t> after = {0x48, 0x89, 0x03, 0x48, 0x89, 0x4b, 0x08, 0x48, 0x89,
                                        0x53, 0x10, 0x9c, 0x8f, 0x43, 0x18, 0x5b, 0xc3};
    size_t used = 0;
    for (const auto* part : {&before, &instruction, &after}) {
      memcpy(page_ + used, part->data(), part->size());
      used += part->size();
    }
    reinterpret_cast<void (*)(Area*)>(page_)(&area);
    return area;
  }

 private:
  uint8_t* page_;
};

TEST(FirstInstruction, Arithmetic_leaves_what_the_processor_leaves) {
  Processor processor;
  const TargetMemory memory(getpid());
  const std::vector<std::vector<uint8_t>> instructions = {
      {0x48, 0x01, 0xc8},              // add %rcx, %rax
      {0x01, 0xc8},                    // add %ecx, %eax
      {0x48, 0x29, 0xc8},              // sub %rcx, %rax
      {0x29, 0xc8},                    // sub %ecx, %eax
      {0x48, 0x83, 0xe8, 0x18},        // sub $0x18, %rax
      {0x48, 0x83, 0xc0, 0xf8},        // add $-8, %rax
      {0x48, 0x39, 0xc8},              // cmp %rcx, %rax
      {0x39, 0xc8},                    // cmp %ecx, %eax
      {0x48, 0x3d, 0xff, 3, 0, 0},     // cmp $0x3ff, %rax
      {0x48, 0x85, 0xc0},              // test %rax, %rax
      {0x85, 0xc9},                    // test %ecx, %ecx
      {0x48, 0x21, 0xc8},              // and %rcx, %rax
      {0x48, 0x09, 0xc8},              // or %rcx, %rax
      {0x31, 0xc0},                    // xor %eax, %eax
      {0x48, 0x31, 0xc8},              // xor %rcx, %rax
      {0x48, 0x89, 0xca},              // mov %rcx, %rdx
      {0x89, 0xc2},                    // mov %eax, %edx
      {0xb8, 1, 0, 0, 0x80},           // mov $0x80000001, %eax
      {0x48, 0x8d, 0x54, 0x08, 0x10},  // lea 0x10(%rax,%rcx), %rdx
      {0xf3, 0x0f, 0x1e, 0xfa},        // endbr64
      {0x0f, 0x1f, 0x40, 0x00},        // nopl
  };
  const uint64_t values[] = {0,           1,          0x7fffffff, 0x80000000, 0xffffffff,
                             1ULL << 63,  ~0ULL,      0x3ff,      0x400,      0x8000000000000010,
                             0x100000000, 0x123456789};
  for (const auto& bytes : instructions) {
    x86::Instruction instruction;
    ASSERT_TRUE(x86::decode_instruction(bytes.data(), bytes.size(), 0x1000, x86::CodeMode::Bits64,
                                        instruction));
    ASSERT_TRUE(can_execute(instruction));
    for (const uint64_t a : values) {
      for (const uint64_t c : values) {
        const Area in{a, c, 0x5555555555555555, 0x202};
        const Area out = processor.run(bytes, in);
        x86::Registers registers;
        registers.rip = 0x1000;
        registers.gpr[x86::Rax] = in.rax;
        registers.gpr[x86::Rcx] = in.rcx;
        registers.gpr[x86::Rdx] = in.rdx;
        registers.rflags = in.rflags;
        ASSERT_TRUE(execute(instruction, x86::CodeMode::Bits64, memory, registers));
        EXPECT_EQ(registers.gpr[x86::Rax], out.rax);
        EXPECT_EQ(registers.gpr[x86::Rcx], out.rcx);
        EXPECT_EQ(registers.gpr[x86::Rdx], out.rdx);
        uint64_t compared = kStatusFlags;
        const bool is_logic = instruction.op == x86::Op::And || instruction.op == x86::Op::Test ||
                              instruction.op == x86::Op::Or || instruction.op == x86::Op::Xor;
        if (is_logic) compared &= ~uint64_t{0x10};  // AF is undefined
        EXPECT_EQ(registers.rflags & compared, out.rflags & compared)
            << std::hex << "op " << static_cast<int>(instruction.op) << " " << a << " " << c;
        EXPECT_EQ(registers.rip, 0x1000 + bytes.size());
      }
    }
  }
}

class StackInstruction : public ::testing::Test {
 protected:
  StackInstruction() : memory_(getpid()) {
    registers_.rip = 0x1000;
    registers_.gpr[x86::Rsp] = reinterpret_cast<uint64_t>(&stack_[4]);
    registers_.gpr[x86::Rbx] = 0x1122334455667788;
  }
  bool run(const std::vector<uint8_t>& bytes) {
    x86::Instruction instruction;
    return x86::decode_instruction(bytes.data(), bytes.size(), 0x1000, x86::CodeMode::Bits64,
                                   instruction) &&
           can_execute(instruction) &&
           execute(instruction, x86::CodeMode::Bits64, memory_, registers_);
  }

  std::array<uint64_t, 8> stack_{};
  x86::Registers registers_;
  TargetMemory memory_;
};

TEST_F(StackInstruction, Push_call_and_return_move_the_stack) {
  ASSERT_TRUE(run({0x53}));  // push %rbx
  EXPECT_EQ(stack_[3], 0x1122334455667788u);
  EXPECT_EQ(registers_.gpr[x86::Rsp], reinterpret_cast<uint64_t>(&stack_[3]));
  EXPECT_EQ(registers_.rip, 0x1001u);
  registers_.rip = 0x1000;
  ASSERT_TRUE(run({0xe8, 0x10, 0, 0, 0}));  // call
  EXPECT_EQ(stack_[2], 0x1005u);
  EXPECT_EQ(registers_.rip, 0x1015u);
  ASSERT_TRUE(run({0xc3}));
  EXPECT_EQ(registers_.rip, 0x1005u);
  EXPECT_EQ(registers_.gpr[x86::Rsp], reinterpret_cast<uint64_t>(&stack_[3]));
}

TEST_F(StackInstruction, What_memory_does_not_allow_changes_nothing) {
  registers_.gpr[x86::Rsp] = 64;
  const x86::Registers before = registers_;
  EXPECT_FALSE(run({0x53}));
  EXPECT_EQ(registers_, before);
}

TEST_F(StackInstruction, What_is_not_understood_is_not_executed) {
  for (const std::vector<uint8_t>& bytes : {std::vector<uint8_t>{0x0f, 0xa2},
                                            {0xf0, 0x0f, 0xb1, 0x0f},
                                            {0x64, 0x48, 0x8b, 0x04, 0x25, 0x28, 0, 0, 0},
                                            {0x74, 0x10},
                                            {0x88, 0x07}}) {
    EXPECT_FALSE(run(bytes));
  }
}

}  // namespace
}  // namespace kebound::supervisor
