// SPDX-License-Identifier: Apache-2.0
#include "report/names.h"

#include <fmt/format.h>

namespace kebound::report {
namespace {

constexpr const char* kNames64[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                      "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
constexpr const char* kNames32[8] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
constexpr const char* kNames32High[8] = {"r8d",  "r9d",  "r10d", "r11d",
                                         "r12d", "r13d", "r14d", "r15d"};
constexpr const char* kNames16[16] = {"ax",  "cx",  "dx",   "bx",   "sp",   "bp",   "si",   "di",
                                      "r8w", "r9w", "r10w", "r11w", "r12w", "r13w", "r14w", "r15w"};
// Checks of 8 bits never use ah to bh: the compilers have no reason to.
constexpr const char* kNames8[16] = {"al",  "cl",  "dl",   "bl",   "spl",  "bpl",  "sil",  "dil",
                                     "r8b", "r9b", "r10b", "r11b", "r12b", "r13b", "r14b", "r15b"};
constexpr uint16_t kUserCode64 = 0x33;

}  // namespace

std::string answer_name(uint32_t status) {
  switch (status) {
    case 0:
      return "BoundExceptionContinueSearch";
    case 1:
      return "BoundExceptionHandled";
    case 2:
      return "BoundExceptionError";
    case 3:
      return "BoundExceptionMaximum";
    default:
      return fmt::format("0x{:08x}", status);
  }
}

const char* bug_check_name(uint32_t code) noexcept {
  switch (code) {
    case 0x0A:
      return "IRQL_NOT_LESS_OR_EQUAL";
    case 0x1E:
      return "KMODE_EXCEPTION_NOT_HANDLED";
    case 0x3B:
      return "SYSTEM_SERVICE_EXCEPTION";
    case 0x50:
      return "PAGE_FAULT_IN_NONPAGED_AREA";
    case 0x7E:
      return "SYSTEM_THREAD_EXCEPTION_NOT_HANDLED";
    case 0x7F:
      return "UNEXPECTED_KERNEL_MODE_TRAP";
    case 0xBE:
      return "ATTEMPTED_WRITE_TO_READONLY_MEMORY";
    case 0xC2:
      return "BAD_POOL_CALLER";
    case 0xC4:
      return "DRIVER_VERIFIER_DETECTED_VIOLATION";
    case 0xC9:
      return "DRIVER_VERIFIER_IOMANAGER_VIOLATION";
    case 0xCE:
      return "DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS";
    case 0xD1:
      return "DRIVER_IRQL_NOT_LESS_OR_EQUAL";
    case 0xE2:
      return "MANUALLY_INITIATED_CRASH";
    case 0xFC:
      return "ATTEMPTED_EXECUTE_OF_NOEXECUTE_MEMORY";
    case 0x139:
      return "KERNEL_SECURITY_CHECK_FAILURE";
    default:
      return nullptr;
  }
}

bool is_64bit_code(const events::BoundException& exception) noexcept {
  if (exception.before.cs != 0) return exception.before.cs == kUserCode64;
  return exception.modules != nullptr && exception.modules->is_64bit;
}

size_t list_registers(const x86::Registers& registers, bool is_64bit, RegisterValue* out) noexcept {
  size_t count = 0;
  const size_t gprs = is_64bit ? 16 : 8;
  for (size_t i = 0; i < gprs; ++i) {
    out[count++] = {is_64bit ? kNames64[i] : kNames32[i], registers.gpr[i]};
  }
  out[count++] = {is_64bit ? "rip" : "eip", registers.rip};
  out[count++] = {is_64bit ? "rflags" : "eflags", registers.rflags};
  out[count++] = {"cs", registers.cs};
  out[count++] = {"ss", registers.ss};
  out[count++] = {"ds", registers.ds};
  out[count++] = {"es", registers.es};
  out[count++] = {"fs", registers.fs};
  out[count++] = {"gs", registers.gs};
  out[count++] = {"fs_base", registers.fs_base};
  out[count++] = {"gs_base", registers.gs_base};
  return count;
}

bool set_register(x86::Registers& registers, std::string_view name, bool is_64bit,
                  uint64_t value) noexcept {
  const size_t gprs = is_64bit ? 16 : 8;
  for (size_t i = 0; i < gprs; ++i) {
    if (name != (is_64bit ? kNames64[i] : kNames32[i])) continue;
    registers.gpr[i] = value;
    return true;
  }
  const struct {
    std::string_view name;
    uint64_t* place;
  } wide[] = {{is_64bit ? "rip" : "eip", &registers.rip},
              {is_64bit ? "rflags" : "eflags", &registers.rflags},
              {"fs_base", &registers.fs_base},
              {"gs_base", &registers.gs_base}};
  for (const auto& item : wide) {
    if (name != item.name) continue;
    *item.place = value;
    return true;
  }
  const struct {
    std::string_view name;
    uint16_t* place;
  } segments[] = {{"cs", &registers.cs}, {"ss", &registers.ss}, {"ds", &registers.ds},
                  {"es", &registers.es}, {"fs", &registers.fs}, {"gs", &registers.gs}};
  for (const auto& item : segments) {
    if (name != item.name || value > UINT16_MAX) continue;
    *item.place = static_cast<uint16_t>(value);
    return true;
  }
  return false;
}

bool set_index_register(BoundEvent& event, std::string_view name) noexcept {
  BoundEvent candidate;
  for (const uint8_t width : {uint8_t{8}, uint8_t{16}, uint8_t{32}, uint8_t{64}}) {
    for (uint8_t number = 0; number < 16; ++number) {
      candidate.index_register = number;
      candidate.index_width = width;
      if (name != index_register_name(candidate)) continue;
      event.index_register = number;
      if (event.index_width == 0) event.index_width = width;
      return true;
    }
  }
  return false;
}

const char* index_register_name(const BoundEvent& event) noexcept {
  const unsigned number = event.index_register;
  if (event.index_address != 0 || number >= 16) return "";
  switch (event.index_width) {
    case 8:
      return kNames8[number];
    case 16:
      return kNames16[number];
    case 32:
      return number < 8 ? kNames32[number] : kNames32High[number - 8];
    case 64:
      return kNames64[number];
    default:
      return "";
  }
}

int64_t index_register_value(const BoundEvent& event, const x86::Registers& registers) noexcept {
  const uint64_t value = registers.gpr[event.index_register & 15];
  switch (event.index_width) {
    case 8:
      return static_cast<int8_t>(value);
    case 16:
      return static_cast<int16_t>(value);
    case 64:
      return static_cast<int64_t>(value);
    default:
      return static_cast<int32_t>(value);
  }
}

}  // namespace kebound::report
