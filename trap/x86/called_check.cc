// SPDX-License-Identifier: Apache-2.0
//
// The check of a library that called a function to report its failure. Neither its flags nor all of
// its operands are left when the call is made.
#include "trap/x86/check_recovery.h"
#include "trap/x86/check_values.h"
#include "trap/x86/edge_choice.h"
#include "trap/x86/recovery_cache.h"
#include "trap/x86/recovery_lease.h"

namespace kebound::x86 {
namespace {

// Bytes of the stack that arguments may be put in: file, line, function and condition.
constexpr int64_t kArgumentArea = 16;

// A number that the compare had, and where it is now.
struct Held {
  uint64_t value = 0;
  uint8_t reg = 0;
  uint64_t address = 0;  // 0: in reg
};

class CalledCheck {
 public:
  CalledCheck(const RecoverySource& source, const Registers& registers, RecoveryRoom& room,
              const Corrections& corrections, BoundEvent& event) noexcept
      : source_(source),
        registers_(truncated(registers, source.mode)),
        room_(room),
        corrections_(corrections),
        event_(event),
        flow_(room.code, source, room.check.flow) {}

  bool run() noexcept {
    const uint64_t call = registers_.rip;
    TrapEntries entries;
    find_trap_edges(call, source_, room_.code, entries, room_.site);
    if (room_.site.doubt != Doubt::None) return false;
    // What lies in another part of the function is not followed.
    if (!room_.code.contains(call) && !load_function(call, source_, room_.code)) return false;
    if (flow_.run() != Doubt::None || !flow_.state_before(call, at_call_)) return false;
    const TrapEdge* failed = nullptr;
    Held held[2];
    for (unsigned i = 0; i < room_.site.edge_count; ++i) {
      const TrapEdge& edge = room_.site.edges[i];
      Held operands[2];
      bool holds = false;
      if (!evaluate(edge, operands, holds)) {
        if (failed != nullptr && is_behind(edge, *failed, held)) continue;
        if (is_contradicted(edge)) continue;
        return false;
      }
      if (!holds) continue;
      if (failed != nullptr && is_behind(edge, *failed, held)) continue;
      if (failed != nullptr) return false;
      failed = &edge;
      held[0] = operands[0];
      held[1] = operands[1];
    }
    if (failed == nullptr) return false;
    const TrapEdge edge = *failed;
    return recover(edge, held);
  }

 private:
  bool evaluate(const TrapEdge& edge, Held (&operands)[2], bool& holds) noexcept {
    Instruction compare;
    FlowState state;
    if (edge.compare == 0 || !room_.code.decode(edge.compare, compare) ||
        (compare.op != Op::Cmp && compare.op != Op::Test) || compare.operand_count != 2 ||
        !flow_.state_before(edge.compare, state)) {
      return false;
    }
    Instruction again = compare;
    for (unsigned i = 0; i < 2; ++i) {
      if (!find(compare.operands[i], edge, state, operands[i])) return false;
      const uint8_t bits = compare.operands[i].bits;
      again.operands[i] = {};
      again.operands[i].kind = OperandKind::Immediate;
      again.operands[i].bits = bits;
      again.operands[i].immediate = static_cast<int64_t>(operands[i].value);
    }
    const uint8_t bits = compare.operands[0].bits;
    again.operands[0].bits = again.operands[1].bits = bits;
    CompareResult result;
    if (evaluate_compare(again, registers_, source_.mode, source_.memory, result) !=
        Evaluation::Done) {
      return false;
    }
    holds = condition_holds(edge.condition, result.flags);
    return true;
  }

  // On the way to `edge` a register was given another value than it has. Arguments were stored on
  // the stack since.
  [[nodiscard]] bool is_contradicted(const TrapEdge& edge) const noexcept {
    TrapEdge to_call = edge;
    to_call.memory_written = true;
    return to_call.compare != 0 &&
           !is_feasible(to_call, room_.code, source_, registers_, corrections_);
  }

  // Whoever comes to `edge` has passed the check `before`, which would not have failed then: there
  // is one way only, and what it compared is the same at its end.
  [[nodiscard]] bool is_behind(const TrapEdge& edge, const TrapEdge& before,
                               const Held (&held)[2]) const noexcept {
    if (edge.branch < before.branch || before.compare == 0) return false;
    uint32_t kept = 0;
    for (const Held& one : held) kept |= one.address == 0 ? register_bit(one.reg) : 0;
    Instruction in;
    for (uint64_t at = before.branch; at < edge.branch; at += in.length) {
      if (!room_.code.decode(at, in) || !in.falls_through) return false;
      const bool stack = in.memory.base == Rsp || in.memory.base == Rbp;
      const bool calls = in.op == Op::Call || in.op == Op::CallIndirect;
      if ((in.writes & kept) != 0 || (in.writes_memory && stack) || in.op == Op::Push || calls) {
        return false;
      }
      const uint64_t next = at + in.length;
      if (room_.code.is_target(next) || room_.code.is_unknown_entry(next)) return false;
    }
    return true;
  }

  [[nodiscard]] static bool is_kept(const TrapEdge& edge, uint32_t registers) noexcept {
    return (edge.written & registers) == 0;
  }

  // An operand of the compare, or a copy of it.
  bool find(const Operand& operand, const TrapEdge& edge, const FlowState& state,
            Held& held) noexcept {
    if (operand.kind == OperandKind::Immediate) {
      return operand_value(operand, registers_, source_.mode, source_.memory, held.value);
    }
    if (operand.kind == OperandKind::Register && !operand.high_byte &&
        is_kept(edge, register_bit(operand.reg))) {
      held.reg = operand.reg;
      return operand_value(operand, registers_, source_.mode, source_.memory, held.value);
    }
    if (operand.kind == OperandKind::Memory && operand.base != Rsp && operand.index != Rsp &&
        is_kept(edge, register_bit(operand.base) | register_bit(operand.index))) {
      held.address = operand_address(operand, registers_, source_.mode);
      return operand_value(operand, registers_, source_.mode, source_.memory, held.value);
    }
    SlotTable& slots = room_.check.flow.slots;
    const Place place = place_of(operand, state, slots, false);
    if (place == kNoPlace) return false;
    if (place >= kFirstSlot && in_slot(place, operand.bits, edge, state, held)) return true;
    const Value& value = state.values[place];
    if (value.id == kAnonymous || value.bits < operand.bits) return false;
    for (unsigned i = 0; i < kFirstSlot + slots.count; ++i) {
      const Place other = static_cast<Place>(i);
      if (other == place || state.values[i].id != value.id || state.values[i].bits < operand.bits) {
        continue;
      }
      if (i < kFirstSlot ? in_register(other, operand.bits, edge, held)
                         : in_slot(other, operand.bits, edge, state, held)) {
        return true;
      }
    }
    return false;
  }

  bool in_register(Place place, uint8_t bits, const TrapEdge& edge, Held& held) noexcept {
    if (place >= 16 || !is_kept(edge, register_bit(place))) return false;
    held.reg = place;
    held.value = registers_.gpr[place] & width_mask(bits);
    return true;
  }

  // On the stack, above what the call is given.
  bool in_slot(Place place, uint8_t bits, const TrapEdge& edge, const FlowState& state,
               Held& held) noexcept {
    const Slot& slot = room_.check.flow.slots.slots[place - kFirstSlot];
    Operand memory;
    memory.kind = OperandKind::Memory;
    memory.bits = bits;
    memory.base = slot.base;
    memory.address_bits = source_.mode == CodeMode::Bits64 ? 64 : 32;
    memory.displacement = slot.displacement;
    if (slot.base == Rsp) {
      if (slot.generation != state.rsp_generation || slot.generation != at_call_.rsp_generation) {
        return false;
      }
      memory.displacement -= at_call_.rsp_offset;
      if (memory.displacement < kArgumentArea) return false;
    } else if (slot.base != Rbp || !is_kept(edge, register_bit(Rbp)) || slot.size * 8u < bits) {
      return false;
    }
    held.address = operand_address(memory, registers_, source_.mode);
    return operand_value(memory, registers_, source_.mode, source_.memory, held.value);
  }

  bool recover(const TrapEdge& edge, const Held (&held)[2]) noexcept {
    Instruction compare;
    BoundShape shape;
    if (!room_.code.decode(edge.compare, compare)) return false;
    if (!bound_shape(compare, edge.condition, shape) &&
        !equal_shape(compare, edge.condition, shape)) {
      return false;
    }
    CheckSite& site = room_.check_site;
    analyze_check(edge, shape, room_.code, source_, room_.check, site);
    // Which compiler made it is not known.
    const Confidence confidence = static_confidence(site, true);
    if (confidence == Confidence::Unknown || site.divisor != 1) return false;
    CompareResult result;
    for (unsigned i = 0; i < 2; ++i) result.values[i] = held[i].value;
    BoundEvent found = event_;
    if (!fill_values(compare, site, result, source_, registers_, true, found)) return false;
    const Held& index = held[site.shape.index_operand];
    found.index_register = index.address == 0 ? index.reg : uint8_t{0};
    found.index_address = index.address;
    found.confidence = confidence;
    found.doubt = Doubt::CallNotResumable;
    // A call of several checks has the line of none.
    if (room_.site.edge_count > 1) found.line_ip = site.access;
    event_ = found;
    return true;
  }

  const RecoverySource& source_;
  const Registers registers_;
  RecoveryRoom& room_;
  const Corrections& corrections_;
  BoundEvent& event_;
  FlowAnalysis flow_;
  FlowState at_call_;
};

}  // namespace

bool recover_called_check(const RecoverySource& source, const Registers& at_call,
                          RecoveryCache& cache, BoundEvent& event) noexcept {
  RoomLease lease(cache);
  RecoveryRoom* const room = lease.get();
  return room != nullptr && CalledCheck(source, at_call, *room, cache.corrections, event).run();
}

}  // namespace kebound::x86
