// SPDX-License-Identifier: Apache-2.0
//
// The blocks of a function, and what other code they lead to.
#include "trap/x86/compiler_trap.h"
#include "trap/x86/flow_analysis.h"

namespace kebound::x86 {

bool FlowAnalysis::is_trap(uint64_t address) const noexcept {
  uint8_t bytes[8];
  const MemoryReader& memory = source_.memory;
  CompilerTrap trap;
  Instruction instruction;
  if (code_.begins(address)) {
    return code_.decode(address, instruction) &&
           (instruction.op == Op::Ud1 || instruction.op == Op::Ud2);
  }
  const size_t readable = memory.read_some(memory.self, address, bytes, sizeof bytes);
  return decode_compiler_trap(bytes, readable, trap);
}

// A jump that leaves the function for good: to another function, or by way of the procedure linkage
// table. Anything else may be a part of this function that lies elsewhere.
bool FlowAnalysis::ends_elsewhere(uint64_t target) const noexcept {
  CodePlace place;
  const FunctionLookup& functions = source_.functions;
  if (functions.find == nullptr || !functions.find(functions.self, target, place)) return false;
  if (place.function.begin == target) return true;
  uint8_t bytes[kMaxInstructionLength * 2];
  const MemoryReader& memory = source_.memory;
  const size_t readable = memory.read_some(memory.self, target, bytes, sizeof bytes);
  Instruction first;
  if (!decode_instruction(bytes, readable, target, code_.mode(), first)) return false;
  if (first.op == Op::Endbr && !decode_instruction(bytes + first.length, readable - first.length,
                                                   target + first.length, code_.mode(), first)) {
    return false;
  }
  return first.op == Op::JmpIndirect && first.operands[0].kind == OperandKind::Memory;
}

bool FlowAnalysis::make_blocks() noexcept {
  room_.block_count = 0;
  unsigned number = 0;
  bool leader = true;
  Instruction instruction;
  for (uint64_t at = code_.range().begin; at < code_.range().end; at += instruction.length) {
    if (!code_.decode(at, instruction) || number == kMaxFlowInstructions) return false;
    if (leader || code_.is_target(at) || code_.is_unknown_entry(at)) {
      if (room_.block_count == kMaxFlowBlocks) return false;
      FlowBlock& block = room_.blocks[room_.block_count++];
      block = {};
      block.begin = at;
      block.first_number = static_cast<uint16_t>(number);
      block.unknown_entry = code_.is_unknown_entry(at);
    }
    room_.blocks[room_.block_count - 1].end = at + instruction.length;
    leader = instruction.ends_block;
    room_.offsets[number++] = static_cast<uint32_t>(at - code_.range().begin);
  }
  room_.instruction_count = static_cast<uint16_t>(number);
  room_.defined_end = defined_value(static_cast<uint16_t>(number), 0);
  for (uint16_t i = 0; i < room_.block_count; ++i) connect(room_.blocks[i], i);
  put_in_order();
  return true;
}

// Reverse postorder of a search in depth from the function's beginning and from where it is entered
// otherwise. Blocks that nothing leads to come last.
void FlowAnalysis::put_in_order() noexcept {
  const uint16_t count = room_.block_count;
  uint16_t* const stack = room_.phi_block;  // nothing is in it yet
  static_assert(kMaxPhis >= kMaxFlowBlocks);
  uint8_t* const seen = room_.entered;
  for (unsigned i = 0; i < count; ++i) seen[i] = 0;
  unsigned free = count;
  const auto search = [&](uint16_t root) {
    unsigned depth = 0;
    if (seen[root] != 0) return;
    seen[root] = 1;
    stack[depth++] = root;
    while (depth != 0) {
      const uint16_t top = stack[depth - 1];
      const FlowBlock& block = room_.blocks[top];
      if (seen[top] == 3) {
        room_.order[--free] = top;
        --depth;
        continue;
      }
      const uint16_t next = seen[top]++ == 1 ? block.taken : block.passed;
      if (next == kNoBlock || seen[next] != 0) continue;
      seen[next] = 1;
      stack[depth++] = next;
    }
  };
  // What is put in first comes last.
  for (unsigned i = count; i-- > 1;) {
    if (room_.blocks[i].unknown_entry) search(static_cast<uint16_t>(i));
  }
  search(0);
  for (unsigned i = count; i-- > 1;) {
    if (seen[i] == 0) search(static_cast<uint16_t>(i));
  }
}

void FlowAnalysis::connect(FlowBlock& block, uint16_t index) noexcept {
  const uint64_t last = code_.previous(block.end);
  Instruction instruction;
  if (!code_.decode(last, instruction)) return;
  if (instruction.falls_through) {
    if (index + 1u < room_.block_count) {
      block.passed = static_cast<uint16_t>(index + 1);
    } else if (instruction.op != Op::Call && instruction.op != Op::CallIndirect) {
      block.leaves = true;
    }
  }
  const bool jumps =
      instruction.op == Op::Jcc || instruction.op == Op::Jmp || instruction.op == Op::Loop;
  if (!jumps) return;
  if (code_.begins(instruction.target)) {
    block.taken = block_at(instruction.target);
    return;
  }
  if (is_trap(instruction.target)) return;
  block.leaves = !ends_elsewhere(instruction.target);
}

uint16_t FlowAnalysis::block_at(uint64_t address) const noexcept {
  unsigned low = 0;
  unsigned high = room_.block_count;
  while (low < high) {
    const unsigned middle = (low + high) / 2;
    if (room_.blocks[middle].end <= address) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < room_.block_count && room_.blocks[low].begin <= address ? static_cast<uint16_t>(low)
                                                                       : kNoBlock;
}

uint16_t FlowAnalysis::number_of(uint64_t address) const noexcept {
  const uint16_t index = block_at(address);
  if (index == kNoBlock) return 0;
  const FlowBlock& block = room_.blocks[index];
  uint16_t number = block.first_number;
  for (uint64_t at = block.begin + 1; at <= address; ++at) {
    if (code_.begins(at)) ++number;
  }
  return number;
}

uint8_t FlowAnalysis::reads_ip(const Instruction& call) const noexcept {
  if (call.op != Op::Call || call.calls_next || code_.mode() != CodeMode::Bits32) {
    return kNoRegister;
  }
  for (unsigned i = 0; i < called_count_; ++i) {
    if (called_[i].begin == call.target) return called_[i].reg;
  }
  constexpr size_t kSize = 4;
  uint8_t bytes[kSize];
  const MemoryReader& memory = source_.memory;
  Instruction load;
  Instruction ret;
  Called called = {call.target, kNoRegister};
  if (memory.read_some(memory.self, call.target, bytes, kSize) == kSize &&
      decode_instruction(bytes, kSize, call.target, CodeMode::Bits32, load) && load.op == Op::Mov &&
      load.length < kSize && load.memory.base == Rsp && load.memory.index == kNoRegister &&
      load.memory.displacement == 0 && load.reads_memory &&
      load.operands[0].kind == OperandKind::Register &&
      decode_instruction(bytes + load.length, kSize - load.length, call.target + load.length,
                         CodeMode::Bits32, ret) &&
      ret.op == Op::Ret) {
    called.reg = load.operands[0].reg;
  }
  // The last one gives way.
  if (called_count_ < kMaxCalled) ++called_count_;
  called_[called_count_ - 1] = called;
  return called.reg;
}

}  // namespace kebound::x86
