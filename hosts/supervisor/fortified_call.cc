// SPDX-License-Identifier: Apache-2.0
#include "hosts/supervisor/fortified_call.h"

#include <string.h>

#include <algorithm>

#include "hosts/supervisor/entry_trace.h"

namespace kebound::supervisor {
namespace {

// Where functions that jump to __chk_fail decide that: at their beginning.
constexpr uint64_t kDecision = 32;

// Functions written in C call it: the instruction before the return address does.
bool is_called(const Refusal& refusal, uint64_t return_address) {
  uint8_t code[5];
  int32_t by = 0;
  if (!refusal.memory.read(return_address - sizeof code, code, sizeof code) || code[0] != 0xe8) {
    return false;
  }
  memcpy(&by, code + 1, sizeof by);
  uint64_t target = return_address + static_cast<uint64_t>(static_cast<int64_t>(by));
  if (!refusal.is_64bit) target = static_cast<uint32_t>(target);
  return target == refusal.registers.rip;
}

const WatchedFunction* function_around(const WatchedFile& file, uint64_t offset) {
  for (const WatchedFunction& function : file.functions) {
    if (function.kind == WatchedFunction::Kind::Fortified && offset >= function.offset &&
        offset - function.offset < std::max<uint64_t>(function.size, 1)) {
      return &function;
    }
  }
  return nullptr;
}

const calls::CallSource* called_function(const Refusal& refusal, calls::CallFrame& frame,
                                         EntryQuestion& question) {
  const uint64_t to_memory = refusal.library.begin - refusal.library.file_offset;
  const WatchedFunction* const function =
      function_around(refusal.library_symbols, question.site - to_memory);
  if (function == nullptr) return nullptr;
  question.begin = function->offset + to_memory;
  question.end = question.begin + function->size;
  return trace_entry(question, frame) ? function->source : nullptr;
}

// The name that the program calls the function by, which the library has several of: it chooses one
// for the processor, and does not name it.
const calls::CallSource* name_of_call(const Refusal& refusal, const calls::CallInstruction& call) {
  const uint64_t to_memory = refusal.library.begin - refusal.library.file_offset;
  if (const WatchedFunction* const function =
          function_around(refusal.library_symbols, call.target - to_memory)) {
    return function->source;
  }
  const events::Mapping* const module =
      call.slot != 0 ? mapping_at(refusal.modules, call.slot) : nullptr;
  uint64_t bias = 0;
  if (module == nullptr || module->open_path.empty() ||
      !load_bias(module->open_path, module->file_offset + (call.slot - module->begin), call.slot,
                 bias)) {
    return nullptr;
  }
  const std::string name = name_of_slot(module->open_path, call.slot - bias);
  const calls::CallSource* const source =
      calls::find_call_source(name.data(), name.size(), refusal.is_64bit);
  return source != nullptr && source->family == calls::Family::Fortify ? source : nullptr;
}

// Those in assembly jump to it, with the stack as they were called.
const calls::CallSource* jumping_function(const Refusal& refusal, calls::CallFrame& frame,
                                          EntryQuestion& question) {
  frame.is_64bit = refusal.is_64bit;
  frame.memory = refusal.memory;
  frame.entry = refusal.registers;
  const calls::CallInstruction call = calls::find_call(frame);
  const calls::CallSource* const source = call.target != 0 ? name_of_call(refusal, call) : nullptr;
  if (source == nullptr) return nullptr;
  question.begin = call.target;
  question.end = call.target + kDecision;
  return trace_entry(question, frame) ? source : nullptr;
}

}  // namespace

const events::Mapping* mapping_at(const events::ModuleMap& modules, uint64_t address) {
  for (const events::Mapping& mapping : modules.mappings) {
    if (address >= mapping.begin && address < mapping.end) return &mapping;
  }
  return nullptr;
}

const calls::CallSource* find_fortified_call(const Refusal& refusal, calls::CallFrame& frame) {
  EntryQuestion question;
  question.mode = refusal.is_64bit ? x86::CodeMode::Bits64 : x86::CodeMode::Bits32;
  question.memory = refusal.memory;
  question.target = refusal.registers.rip;
  question.at_target = refusal.registers;
  uint64_t return_address = 0;
  frame.is_64bit = refusal.is_64bit;
  frame.memory = refusal.memory;
  frame.has_begun = true;
  if (!frame.read_word(refusal.registers.gpr[x86::Rsp], return_address)) return nullptr;
  if (!is_called(refusal, return_address)) return jumping_function(refusal, frame, question);
  question.site = return_address - 5;
  return called_function(refusal, frame, question);
}

}  // namespace kebound::supervisor
