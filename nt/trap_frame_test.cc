// SPDX-License-Identifier: Apache-2.0
#include "nt/trap_frame.h"

#include <gtest/gtest.h>

namespace kebound::nt {
namespace {

x86::Registers registers(uint16_t cs) {
  x86::Registers r;
  for (uint64_t i = 0; i < 16; ++i) r.gpr[i] = 0x1000 + i;
  r.rip = 0x8048123;
  r.rflags = 0x246;
  r.cs = cs;
  r.ss = 0x2b;
  r.ds = 0x2b;
  r.fs_base = 5;
  r.gs_base = 6;
  return r;
}

TEST(TrapFrameTest, Unedited_frames_leave_the_registers_as_they_were) {
  for (const uint16_t cs : {uint16_t{0x23}, uint16_t{0x33}}) {
    const x86::Registers before = registers(cs);
    KTRAP_FRAME frame;
    fill_trap_frame(before, frame);
    x86::Registers after = before;
    apply_trap_frame(frame, after);
    EXPECT_EQ(after, before);
  }
}

TEST(TrapFrameTest, Every_register_is_at_its_offset) {
  KTRAP_FRAME frame;
  fill_trap_frame(registers(0x33), frame);
  const auto at = [&](size_t offset) {
    return *reinterpret_cast<uint64_t*>(reinterpret_cast<char*>(&frame) + offset);
  };
  EXPECT_EQ(at(0x30), 0x1000U + x86::Rax);
  EXPECT_EQ(at(0x38), 0x1000U + x86::Rcx);
  EXPECT_EQ(at(0x40), 0x1000U + x86::Rdx);
  EXPECT_EQ(at(0x48), 0x1000U + x86::R8);
  EXPECT_EQ(at(0x60), 0x1000U + x86::R11);
  EXPECT_EQ(at(0x140), 0x1000U + x86::Rbx);
  EXPECT_EQ(at(0x148), 0x1000U + x86::Rdi);
  EXPECT_EQ(at(0x150), 0x1000U + x86::Rsi);
  EXPECT_EQ(at(0x158), 0x1000U + x86::Rbp);
  EXPECT_EQ(at(0x168), 0x8048123U);
  EXPECT_EQ(at(0x170) & 0xffff, 0x33U);
  EXPECT_EQ(at(0x178) & 0xffffffff, 0x246U);
  EXPECT_EQ(at(0x180), 0x1000U + x86::Rsp);
  EXPECT_EQ(at(0x188) & 0xffff, 0x2bU);
  EXPECT_EQ(frame.PreviousMode, UserMode);
}

TEST(TrapFrameTest, A_32_bit_thread_keeps_no_upper_halves) {
  x86::Registers r = registers(0x23);
  KTRAP_FRAME frame;
  fill_trap_frame(r, frame);
  frame.Rax = ~uint64_t{0};
  frame.Rip = 0xffffffff08048127;
  apply_trap_frame(frame, r);
  EXPECT_EQ(r.gpr[x86::Rax], 0xffffffffU);
  EXPECT_EQ(r.rip, 0x08048127U);
}

TEST(TrapFrameTest, Flags_that_user_mode_may_not_have_are_not_taken) {
  x86::Registers r = registers(0x33);
  KTRAP_FRAME frame;
  fill_trap_frame(r, frame);
  frame.EFlags = 0xffffffff;
  apply_trap_frame(frame, r);
  EXPECT_EQ(r.rflags & 0x3000, 0U);   // IOPL
  EXPECT_EQ(r.rflags & 0x20000, 0U);  // VM
  EXPECT_EQ(r.rflags & 0xd5, 0xd5U);
  frame.EFlags = 0;
  apply_trap_frame(frame, r);
  EXPECT_EQ(r.rflags & 0x202, 0x202U);  // IF and the fixed bit stay
}

TEST(TrapFrameTest, Registers_that_the_frame_does_not_hold_stay) {
  x86::Registers r = registers(0x33);
  KTRAP_FRAME frame{};
  frame.SegCs = 0x33;
  apply_trap_frame(frame, r);
  for (const auto gpr : {x86::R12, x86::R13, x86::R14, x86::R15})
    EXPECT_EQ(r.gpr[gpr], 0x1000U + gpr);
  EXPECT_EQ(r.fs_base, 5U);
  EXPECT_EQ(r.ds, 0x2b);
}

}  // namespace
}  // namespace kebound::nt
