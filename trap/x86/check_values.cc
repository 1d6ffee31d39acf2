// SPDX-License-Identifier: Apache-2.0
#include "trap/x86/check_values.h"

namespace kebound::x86 {
namespace {

// A place of the index, as the registers are.
Operand operand_of(const StaticPlace& place, CodeMode mode) noexcept {
  Operand operand;
  operand.bits = place.bits;
  operand.reg = place.reg;
  operand.kind = OperandKind::Register;
  if (!place.in_memory) return operand;
  operand.kind = OperandKind::Memory;
  operand.bits = static_cast<uint8_t>(place.size * 8);
  operand.reg = kNoRegister;
  operand.base = place.reg;
  operand.address_bits = mode == CodeMode::Bits64 ? 64 : 32;
  operand.displacement = place.displacement;
  return operand;
}

// The index where the compare had a multiple of it.
bool fill_quotient(const Instruction& compare, const CheckSite& site, const CompareResult& result,
                   const RecoverySource& source, const Registers& registers,
                   BoundEvent& event) noexcept {
  const Operand place = operand_of(site.quotient, source.mode);
  uint64_t held = 0;
  if (!operand_value(place, registers, source.mode, source.memory, held)) return false;
  const uint64_t product = held * site.divisor & width_mask(compare.operands[0].bits);
  if (product != result.values[site.shape.index_operand]) return false;
  event.index_width = place.bits;
  event.index_raw = held;
  event.index = sign_extend(held, place.bits);
  event.upper = event.upper < 0 ? -1 : event.upper / site.divisor;
  event.index_register = 0;
  event.index_address = 0;
  if (site.quotient.in_memory) {
    event.index_address = operand_address(place, registers, source.mode);
  } else {
    event.index_register = place.reg;
  }
  return true;
}

IndexPlace::Extension extension_of(const StaticPlace& place, uint64_t held,
                                   unsigned native) noexcept {
  if (place.bits >= native) return IndexPlace::Extension::None;
  switch (place.rest) {
    case Rest::Zero:
      return IndexPlace::Extension::Zero;
    case Rest::Sign:
    case Rest::SignTo32:
      return IndexPlace::Extension::Sign;
    case Rest::Unrelated:
      break;
  }
  const uint64_t mask = width_mask(native);
  if (static_cast<uint64_t>(sign_extend(held, place.bits)) == held) {
    return IndexPlace::Extension::Sign;
  }
  return (held & width_mask(place.bits)) == (held & mask) ? IndexPlace::Extension::Zero
                                                          : IndexPlace::Extension::None;
}

}  // namespace

bool fill_values(const Instruction& compare, const CheckSite& site, const CompareResult& result,
                 const RecoverySource& source, const Registers& registers, bool clang,
                 BoundEvent& event) noexcept {
  const BoundShape& shape = site.shape;
  const unsigned bits = compare.operands[0].bits;
  const Operand& index = compare.operands[shape.index_operand];
  event.index_width = site.index_bits;
  event.index_raw = result.values[shape.index_operand];
  event.index = sign_extend(event.index_raw, site.index_bits);
  event.lower = 0;
  if (site.index_bits < 32 && site.read_unsigned && !clang) {
    event.index_width = 32;  // which makes it positive
    event.index = static_cast<int64_t>(event.index_raw);
  }
  uint64_t greatest = shape.greatest;
  if (shape.limit == BoundShape::Limit::Operand) {
    const uint64_t limit = result.values[shape.limit_operand];
    if (limit == 0 && !shape.limit_allowed) {
      event.upper = -1;  // nothing would pass
    } else {
      greatest = shape.limit_allowed ? limit : limit - 1;
      if (bits == 64 && greatest > INT64_MAX) return false;
      event.upper = static_cast<int64_t>(greatest);
    }
  } else {
    event.upper = static_cast<int64_t>(greatest);
  }
  if (index.kind == OperandKind::Register) {
    event.index_register = index.reg;
  } else {
    event.index_address = operand_address(index, registers, source.mode);
  }
  return site.divisor == 1 || fill_quotient(compare, site, result, source, registers, event);
}

bool fill_places(const CheckSite& site, const RecoverySource& source, const Registers& registers,
                 const BoundEvent& event, Recovery& recovery) noexcept {
  const unsigned native = source.mode == CodeMode::Bits64 ? 64 : 32;
  recovery.place_count = 0;
  for (unsigned i = 0; i < site.place_count; ++i) {
    const StaticPlace& known = site.places[i];
    IndexPlace& place = recovery.places[recovery.place_count++];
    place = {};
    place.reg = known.reg;
    place.width = known.bits;
    uint64_t held = 0;
    if (known.in_memory) {
      place.kind = IndexPlace::Kind::Memory;
      place.reg = 0;
      place.width = static_cast<uint8_t>(known.size * 8);
      const Operand memory = operand_of(known, source.mode);
      place.address = operand_address(memory, registers, source.mode);
      if (!operand_value(memory, registers, source.mode, source.memory, held)) return false;
      if (extension_of(known, held, memory.bits) == IndexPlace::Extension::None) {
        place.width = known.bits;  // the rest of it is something else
      }
    } else {
      held = registers.gpr[known.reg & 15];
      place.extension = extension_of(known, held, native);
      if (known.rest == Rest::SignTo32 && native == 64) {
        place.width = 32;
        place.extension = IndexPlace::Extension::Zero;
      }
    }
    const unsigned common = known.bits < event.index_width ? known.bits : event.index_width;
    if (((held ^ event.index_raw) & width_mask(common)) != 0) return false;
  }
  return true;
}

Registers truncated(const Registers& registers, CodeMode mode) noexcept {
  Registers copy = registers;
  if (mode == CodeMode::Bits32) {
    for (uint64_t& value : copy.gpr) value &= width_mask(32);
  }
  return copy;
}

}  // namespace kebound::x86
