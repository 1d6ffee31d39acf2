// SPDX-License-Identifier: Apache-2.0
#include "hosts/supervisor/entry_trace.h"

#include <map>
#include <optional>
#include <vector>

namespace kebound::supervisor {
namespace {

using x86::Instruction;
using x86::Op;
using x86::Operand;
using x86::OperandKind;

constexpr size_t kMaxFunction = 4096;        // bytes
constexpr size_t kMaxSteps = 4096;           // instructions, each again where states meet
constexpr uint32_t kCallerSaved64 = 0x0fc7;  // rax rcx rdx rsi rdi r8..r11
constexpr uint32_t kCallerSaved32 = 0x0007;  // eax ecx edx

// What a register or a word of the stack holds.
struct Value {
  enum class Kind : uint8_t { Unknown, Entry, Stack };
  Kind kind = Kind::Unknown;
  uint8_t reg = 0;     // Entry: the value that this register had
  int64_t offset = 0;  // Stack: the stack pointer's first value plus this

  bool operator==(const Value&) const = default;
};

struct State {
  Value registers[16];
  std::map<int64_t, Value> stack;  // by offset
  bool arguments_kept = true;      // nothing was written above the return address

  bool operator==(const State&) const = default;
};

State meet(const State& a, const State& b) {
  State result = a;
  for (size_t i = 0; i < 16; ++i) {
    if (!(a.registers[i] == b.registers[i])) result.registers[i] = {};
  }
  std::erase_if(result.stack, [&](const auto& entry) {
    const auto other = b.stack.find(entry.first);
    return other == b.stack.end() || !(other->second == entry.second);
  });
  result.arguments_kept = a.arguments_kept && b.arguments_kept;
  return result;
}

class Tracer {
 public:
  Tracer(const EntryQuestion& question, std::vector<uint8_t> code)
      : question_(question),
        code_(std::move(code)),
        word_(question.mode == x86::CodeMode::Bits64 ? 8 : 4) {}

  std::optional<State> run() {
    State entry;
    for (uint8_t i = 0; i < 16; ++i) entry.registers[i] = {Value::Kind::Entry, i, 0};
    entry.registers[x86::Rsp] = {Value::Kind::Stack, 0, 0};
    reach(question_.begin, entry);
    for (size_t steps = 0; !open_.empty(); ++steps) {
      if (steps == kMaxSteps) return std::nullopt;
      const uint64_t address = open_.back();
      open_.pop_back();
      if (!step(address, states_.at(address))) return std::nullopt;
    }
    return arrived_;
  }

 private:
  void reach(uint64_t address, const State& state) {
    // Tail calls leave the function; what happens there is not ours.
    if (address < question_.begin || address >= question_.end) return;
    const auto [found, is_new] = states_.try_emplace(address, state);
    if (!is_new) {
      State merged = meet(found->second, state);
      if (merged == found->second) return;
      found->second = std::move(merged);
    }
    open_.push_back(address);
  }

  // Of a function whose end is not known only the beginning is looked at.
  [[nodiscard]] bool is_cut_off(size_t at) const {
    return question_.site == 0 && code_.size() - at < x86::kMaxInstructionLength;
  }

  void arrive(const State& state) { arrived_ = arrived_ ? meet(*arrived_, state) : state; }

  bool step(uint64_t address, State state) {
    const size_t at = address - question_.begin;
    Instruction instruction;
    if (!x86::decode_instruction(code_.data() + at, code_.size() - at, address, question_.mode,
                                 instruction)) {
      return is_cut_off(at);
    }
    const bool leads =
        instruction.op == Op::Jcc || instruction.op == Op::Jmp || instruction.op == Op::Call;
    if (leads && instruction.target == question_.target) {
      const bool is_call = instruction.op == Op::Call;
      if (is_call ? address == question_.site : question_.site == 0) arrive(state);
      if (instruction.op != Op::Jcc) return true;
    }
    apply(instruction, state);
    if (instruction.op == Op::Jcc || instruction.op == Op::Jmp || instruction.op == Op::Loop) {
      reach(instruction.target, state);
    }
    if (instruction.falls_through) reach(address + instruction.length, state);
    return true;
  }

  // The place on the stack that a memory operand is, if it is one for certain.
  [[nodiscard]] std::optional<int64_t> stack_place(const State& state,
                                                   const Operand& operand) const {
    if (operand.kind != OperandKind::Memory || operand.base == x86::kNoRegister ||
        operand.index != x86::kNoRegister) {
      return std::nullopt;
    }
    const Value& base = state.registers[operand.base];
    if (base.kind != Value::Kind::Stack) return std::nullopt;
    return base.offset + operand.displacement;
  }

  void store(State& state, int64_t place, unsigned bytes, const Value& value) const {
    std::erase_if(state.stack, [&](const auto& entry) {
      return entry.first < place + static_cast<int64_t>(bytes) && place < entry.first + word_;
    });
    if (place + static_cast<int64_t>(bytes) > word_) state.arguments_kept = false;
    if (bytes == static_cast<unsigned>(word_) && value.kind != Value::Kind::Unknown) {
      state.stack[place] = value;
    }
  }

  [[nodiscard]] Value load(const State& state, const Operand& operand) const {
    if (operand.bits != word_ * 8) return {};
    if (operand.kind == OperandKind::Register) return state.registers[operand.reg];
    const auto place = stack_place(state, operand);
    if (!place) return {};
    const auto found = state.stack.find(*place);
    return found != state.stack.end() ? found->second : Value{};
  }

  void apply(const Instruction& instruction, State& state) const {
    const Operand& to = instruction.operands[0];
    const Operand& from = instruction.operands[1];
    const Value stack = state.registers[x86::Rsp];
    Value result;
    switch (instruction.op) {
      case Op::Push: {
        const Value value = load(state, to);
        forget(instruction, state);
        if (stack.kind != Value::Kind::Stack) return;
        state.registers[x86::Rsp] = {Value::Kind::Stack, 0, stack.offset - word_};
        store(state, stack.offset - word_, static_cast<unsigned>(word_), value);
        return;
      }
      case Op::Pop: {
        if (stack.kind == Value::Kind::Stack) {
          const auto found = state.stack.find(stack.offset);
          if (found != state.stack.end()) result = found->second;
        }
        forget(instruction, state);
        if (to.kind == OperandKind::Register) state.registers[to.reg] = result;
        if (stack.kind == Value::Kind::Stack) {
          state.registers[x86::Rsp] = {Value::Kind::Stack, 0, stack.offset + word_};
        }
        return;
      }
      case Op::Mov:
        result = load(state, from);
        break;
      case Op::Lea:
        if (const auto place = stack_place(state, from); place && to.bits == word_ * 8) {
          result = {Value::Kind::Stack, 0, *place};
        }
        break;
      case Op::Add:
      case Op::Sub: {
        const Value before = load(state, to);
        if (before.kind == Value::Kind::Stack && from.kind == OperandKind::Immediate) {
          const int64_t by = instruction.op == Op::Add ? from.immediate : -from.immediate;
          result = {Value::Kind::Stack, 0, before.offset + by};
        }
        break;
      }
      case Op::Call:
      case Op::CallIndirect:
        called(instruction, state);
        return;
      default:
        break;
    }
    const auto place =
        instruction.writes_memory ? stack_place(state, instruction.memory) : std::nullopt;
    forget(instruction, state);
    if (to.kind == OperandKind::Register && to.bits == word_ * 8 &&
        (instruction.writes & x86::register_bit(to.reg)) != 0) {
      state.registers[to.reg] = result;
    }
    if (place) store(state, *place, width_of(instruction), result);
  }

  // Of a store whose width the decoder does not say: the widest there is.
  [[nodiscard]] static unsigned width_of(const Instruction& instruction) {
    return instruction.memory.bits != 0 ? instruction.memory.bits / 8u : 64;
  }

  static void forget(const Instruction& instruction, State& state) {
    for (uint8_t i = 0; i < 16; ++i) {
      if ((instruction.writes & x86::register_bit(i)) != 0) state.registers[i] = {};
    }
  }

  void called(const Instruction& instruction, State& state) const {
    const uint32_t lost = word_ == 8 ? kCallerSaved64 : kCallerSaved32;
    for (uint8_t i = 0; i < 16; ++i) {
      if ((lost & x86::register_bit(i)) != 0) state.registers[i] = {};
    }
    if (const Value& top = state.registers[x86::Rsp]; top.kind == Value::Kind::Stack) {
      std::erase_if(state.stack, [&](const auto& entry) { return entry.first < top.offset; });
    }
    // i386 asks for its own address so: mov (%esp), %reg; ret.
    uint8_t code[4];
    if (word_ == 4 && instruction.op == Op::Call &&
        question_.memory.read(instruction.target, code, sizeof code) && code[0] == 0x8b &&
        (code[1] & 0xc7) == 0x04 && code[2] == 0x24 && code[3] == 0xc3) {
      state.registers[code[1] >> 3 & 7] = {};
    }
  }

  const EntryQuestion& question_;
  const std::vector<uint8_t> code_;
  const int64_t word_;
  std::map<uint64_t, State> states_;
  std::vector<uint64_t> open_;
  std::optional<State> arrived_;
};

}  // namespace

bool trace_entry(const EntryQuestion& question, calls::CallFrame& frame) {
  if (question.end <= question.begin || question.end - question.begin > kMaxFunction) return false;
  std::vector<uint8_t> code(question.end - question.begin);
  if (!question.memory.read(question.begin, code.data(), code.size())) return false;
  const std::optional<State> state = Tracer(question, std::move(code)).run();
  if (!state || state->registers[x86::Rsp].kind != Value::Kind::Stack) return false;

  frame.is_64bit = question.mode == x86::CodeMode::Bits64;
  frame.memory = question.memory;
  frame.entry = question.at_target;
  frame.entry.rip = question.begin;
  const auto word = static_cast<int64_t>(frame.word_size());
  // A call has pushed its return address.
  const int64_t offset = state->registers[x86::Rsp].offset - (question.site != 0 ? word : 0);
  const uint64_t top = question.at_target.gpr[x86::Rsp] - static_cast<uint64_t>(offset);
  frame.entry.gpr[x86::Rsp] = top;
  frame.known = x86::register_bit(x86::Rsp);
  for (uint8_t i = 0; i < (frame.is_64bit ? 16 : 8); ++i) {
    const Value wanted{Value::Kind::Entry, i, 0};
    for (const auto& [place, value] : state->stack) {
      if (!(value == wanted) || place < state->registers[x86::Rsp].offset) continue;
      if (frame.read_word(top + static_cast<uint64_t>(place), frame.entry.gpr[i])) {
        frame.known |= x86::register_bit(i);
      }
    }
    for (uint8_t reg = 0; reg < 16; ++reg) {
      if ((frame.known & x86::register_bit(i)) != 0 || !(state->registers[reg] == wanted)) continue;
      frame.entry.gpr[i] = question.at_target.gpr[reg];
      frame.known |= x86::register_bit(i);
    }
  }
  frame.arguments_kept = state->arguments_kept;
  return true;
}

}  // namespace kebound::supervisor
