// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/compare.h"
#include "trap/x86/trap_site.h"

namespace kebound::x86 {
namespace {

// Instructions between a compare and its branch, or before a trap, that are looked through.
constexpr unsigned kMaxBetween = 32;
// Jumps to jumps to the trap.
constexpr unsigned kMaxRounds = 4;
// Instructions that prepare a call.
constexpr unsigned kMaxCallRounds = 16;

uint16_t registers_of(uint32_t mask) noexcept { return static_cast<uint16_t>(mask); }

class EdgeSearch {
 public:
  EdgeSearch(const FunctionCode& code, TrapEntries& entries, TrapSite& site) noexcept
      : code_(code), entries_(entries), site_(site) {}

  // Entries first, until no more are found; then the branches to them.
  void run() noexcept {
    Instruction end;
    ends_in_call_ = code_.decode(site_.trap_ip, end) && end.op == Op::Call;
    const unsigned rounds = ends_in_call_ ? kMaxCallRounds : kMaxRounds;
    for (unsigned round = 0; round < rounds && find_entries(); ++round) {
    }
    find_edges();
  }

 private:
  // Does one sweep; true if an entry was added.
  bool find_entries() noexcept {
    bool added = false;
    Instruction instruction;
    for (uint64_t at = code_.range().begin; code_.decode(at, instruction);
         at += instruction.length) {
      if (entries_.find(at) != nullptr) continue;
      if (instruction.op == Op::Jmp) {
        const TrapEntries::Entry* next = entries_.find(instruction.target);
        if (next != nullptr) added |= entries_.add(at, next->written);
        continue;
      }
      if (!instruction.falls_through || instruction.op == Op::Jcc) continue;
      const TrapEntries::Entry* next = entries_.find(at + instruction.length);
      if (next == nullptr) continue;
      const bool plain = !instruction.writes_flags && !instruction.writes_memory;
      const bool quiet = (plain || (ends_in_call_ && prepares_call(instruction))) &&
                         instruction.op != Op::Call && instruction.op != Op::CallIndirect &&
                         instruction.op != Op::Loop;
      if (quiet) {
        const uint16_t written = next->written;
        added |= entries_.add(at, static_cast<uint16_t>(written | instruction.writes));
      } else {
        entries_.complete = false;  // a trap that code runs into: no branch decided about it
      }
    }
    return added;
  }

  // Puts arguments in place.
  static bool prepares_call(const Instruction& in) noexcept {
    if (in.op == Op::Push) return in.operands[0].kind != OperandKind::Memory;
    if (in.op == Op::Mov || in.op == Op::Xor) {
      return !in.writes_memory || (in.memory.base == Rsp && in.memory.index == kNoRegister);
    }
    return (in.op == Op::Sub || in.op == Op::Add) && !in.writes_memory;
  }

  void find_edges() noexcept {
    Instruction instruction;
    for (uint64_t at = code_.range().begin; code_.decode(at, instruction);
         at += instruction.length) {
      if (instruction.op == Op::Loop && (entries_.find(instruction.target) != nullptr ||
                                         entries_.find(at + instruction.length) != nullptr)) {
        entries_.complete = false;
      }
      if (instruction.op != Op::Jcc) continue;
      const TrapEntries::Entry* taken = entries_.find(instruction.target);
      const TrapEntries::Entry* passed = entries_.find(at + instruction.length);
      if ((taken == nullptr) == (passed == nullptr)) continue;
      add_edge(at, taken != nullptr ? instruction.condition : instruction.condition ^ 1u,
               taken != nullptr ? taken->written : passed->written);
    }
  }

  void add_edge(uint64_t branch, unsigned condition, uint16_t written) noexcept {
    for (unsigned i = 0; i < site_.edge_count; ++i) {
      if (site_.edges[i].branch == branch) return;
    }
    if (site_.edge_count == kMaxEdges) {
      entries_.complete = false;
      return;
    }
    TrapEdge& edge = site_.edges[site_.edge_count++];
    edge = {};
    edge.branch = branch;
    edge.condition = static_cast<uint8_t>(condition);
    edge.written = written;
    find_branch_compare(code_, edge);
    edge.chained = is_chained(edge);
  }

  [[nodiscard]] bool is_chained(const TrapEdge& edge) const noexcept {
    uint64_t at = edge.branch;
    for (unsigned i = 0; i < kMaxBetween && !code_.is_target(at); ++i) {
      Instruction before;
      const uint64_t address = code_.previous(at);
      if (address == at || !code_.decode(address, before) || !before.falls_through) return false;
      if (before.op == Op::Jcc) return entries_.find(before.target) != nullptr;
      at = address;
    }
    return false;
  }

  const FunctionCode& code_;
  TrapEntries& entries_;
  TrapSite& site_;
  bool ends_in_call_ = false;
};

Doubt doubt_of(FunctionCode::Load load) noexcept {
  switch (load) {
    case FunctionCode::Load::Done:
      return Doubt::None;
    case FunctionCode::Load::TooLarge:
      return Doubt::FunctionTooLarge;
    case FunctionCode::Load::Unreadable:
      break;
  }
  return Doubt::CodeUnreadable;
}

// Searches the text of an image for jumps, by their bytes, that lead to an entry; what looks like
// one is looked at again in its function.
class TextSearch {
 public:
  TextSearch(const RecoverySource& source, FunctionCode& code, TrapEntries& entries,
             TrapSite& site) noexcept
      : source_(source), code_(code), entries_(entries), site_(site) {}

  void run(CodeRange text, CodeRange own) noexcept {
    if (text.size() > kMaxTextSearch) {
      text.end = text.begin + kMaxTextSearch;
      entries_.complete = false;
    }
    uint8_t chunk[kChunk + kOverlap];
    for (uint64_t at = text.begin; at < text.end && function_count_ < kMaxFunctions; at += kChunk) {
      const uint64_t room = text.end - at;
      const size_t wanted = room < sizeof chunk ? static_cast<size_t>(room) : sizeof chunk;
      const size_t readable = source_.memory.read_some(source_.memory.self, at, chunk, wanted);
      scan(chunk, readable, at, own);
    }
    for (unsigned i = 0; i < function_count_; ++i) {
      if (code_.load(functions_[i], source_.mode, source_.memory) == FunctionCode::Load::Done) {
        EdgeSearch(code_, entries_, site_).run();
      } else {
        entries_.complete = false;
      }
    }
  }

 private:
  static constexpr size_t kChunk = 2048;
  static constexpr size_t kOverlap = 5;  // the longest jump less one
  static constexpr unsigned kMaxFunctions = 8;

  void scan(const uint8_t* chunk, size_t size, uint64_t address, CodeRange own) noexcept {
    for (size_t i = 0; i + 5 <= size && i < kChunk; ++i) {
      size_t length = 0;
      if (chunk[i] == 0xe9) {
        length = 5;
      } else if (chunk[i] == 0x0f && (chunk[i + 1] & 0xf0) == 0x80 && i + 6 <= size) {
        length = 6;
      } else {
        continue;
      }
      const uint8_t* bytes = chunk + i + length - 4;
      const uint32_t distance =
          bytes[0] | uint32_t{bytes[1]} << 8 | uint32_t{bytes[2]} << 16 | uint32_t{bytes[3]} << 24;
      uint64_t target =
          address + i + length + static_cast<uint64_t>(static_cast<int32_t>(distance));
      if (source_.mode == CodeMode::Bits32) target &= width_mask(32);
      if (entries_.find(target) != nullptr && !own.contains(address + i)) note(address + i);
    }
  }

  void note(uint64_t jump) noexcept {
    for (unsigned i = 0; i < function_count_; ++i) {
      if (functions_[i].contains(jump)) return;
    }
    CodePlace place;
    if (source_.functions.find == nullptr ||
        !source_.functions.find(source_.functions.self, jump, place) ||
        !place.function.contains(jump)) {
      entries_.complete = false;
      return;
    }
    if (function_count_ < kMaxFunctions) functions_[function_count_++] = place.function;
    if (function_count_ == kMaxFunctions) entries_.complete = false;
  }

  const RecoverySource& source_;
  FunctionCode& code_;
  TrapEntries& entries_;
  TrapSite& site_;
  unsigned function_count_ = 0;
  CodeRange functions_[kMaxFunctions];
};

}  // namespace

const TrapEntries::Entry* TrapEntries::find(uint64_t address) const noexcept {
  for (unsigned i = 0; i < count; ++i) {
    if (entries[i].address == address) return &entries[i];
  }
  return nullptr;
}

bool TrapEntries::add(uint64_t address, uint16_t written) noexcept {
  if (count == kMax) {
    complete = false;
    return false;
  }
  entries[count++] = {address, written};
  return true;
}

void find_branch_compare(const FunctionCode& code, TrapEdge& edge) noexcept {
  Instruction instruction;
  uint64_t at = edge.branch;
  for (unsigned i = 0; i < kMaxBetween; ++i) {
    if (code.is_target(at) || code.is_unknown_entry(at)) return;  // flags may come from elsewhere
    const uint64_t before = code.previous(at);
    if (before == at || !code.decode(before, instruction) || !instruction.falls_through) return;
    at = before;
    if (instruction.writes_flags) {
      // A call writes them, in what it calls.
      if (instruction.op == Op::Call || instruction.op == Op::CallIndirect) return;
      edge.compare = at;
      edge.length = instruction.length;
      code.copy(at, edge.bytes, sizeof edge.bytes);
      if (instruction.op == Op::Sub) edge.written |= registers_of(instruction.writes);
      return;
    }
    if (instruction.op == Op::Call || instruction.op == Op::CallIndirect) return;
    edge.written |= registers_of(instruction.writes);
    edge.memory_written |= instruction.writes_memory;
  }
}

bool load_function(uint64_t address, const RecoverySource& source, FunctionCode& code) noexcept {
  CodePlace place;
  return source.functions.find != nullptr &&
         source.functions.find(source.functions.self, address, place) &&
         place.function.contains(address) &&
         code.load(place.function, source.mode, source.memory) == FunctionCode::Load::Done;
}

void find_trap_edges(uint64_t trap_ip, const RecoverySource& source, FunctionCode& code,
                     TrapEntries& entries, TrapSite& site) noexcept {
  site.trap_ip = trap_ip;
  site.edge_count = 0;
  site.doubt = Doubt::None;
  entries = {};
  CodePlace place;
  if (source.functions.find == nullptr ||
      !source.functions.find(source.functions.self, trap_ip, place) ||
      !place.function.contains(trap_ip)) {
    site.doubt = Doubt::NoFunction;
    return;
  }
  site.doubt = doubt_of(code.load(place.function, source.mode, source.memory));
  if (site.doubt != Doubt::None) return;
  if (!code.begins(trap_ip)) {
    site.doubt = Doubt::CodeUnreadable;
    return;
  }
  entries.add(trap_ip, 0);
  EdgeSearch(code, entries, site).run();
  if (site.edge_count == 0 && place.text.contains(trap_ip)) {
    TextSearch(source, code, entries, site).run(place.text, place.function);
  }
  if (site.edge_count == 0) {
    site.doubt = Doubt::NoBranch;
  } else if (!entries.complete) {
    site.doubt = Doubt::SeveralCandidates;
  }
}

bool jumps_over_a_jump(const TrapEdge& edge, const FunctionCode& code) noexcept {
  Instruction branch;
  Instruction jump;
  if (!code.decode(edge.branch, branch) || branch.op != Op::Jcc) return false;
  const uint64_t next = edge.branch + branch.length;
  return code.decode(next, jump) && jump.op == Op::Jmp && branch.target == next + jump.length;
}

}  // namespace kebound::x86
