// SPDX-License-Identifier: Apache-2.0
#include "include/nt/wdm.h"
#include "nt/export_table.h"
#include "nt/report.h"
#include "nt/utf.h"

namespace kebound::nt {

namespace {

void probe(uint64_t address, uint64_t length, ULONG alignment, uint64_t caller,
           const char* routine) {
  if (alignment != 1 && alignment != 2 && alignment != 4 && alignment != 8 && alignment != 16) {
    report_violation("probe", caller,
                     std::string(routine) + " with an alignment of " + std::to_string(alignment));
  } else if ((address & (alignment - 1)) != 0) {
    raise_status(STATUS_DATATYPE_MISALIGNMENT, caller,
                 std::string(routine) + ": " + hex(address) + " is not aligned to " +
                     std::to_string(alignment));
  }
  uint64_t end = 0;
  if (__builtin_add_overflow(address, length, &end) || end > MM_USER_PROBE_ADDRESS) {
    raise_status(STATUS_ACCESS_VIOLATION, caller,
                 std::string(routine) + ": " + hex(address) + ", length " + hex(length) +
                     ", is not in user space");
  }
}

}  // namespace

}  // namespace kebound::nt

using namespace kebound::nt;

extern "C" {

BOOLEAN MmIsAddressValid(PVOID VirtualAddress) {
  return host().address_valid(address_of(VirtualAddress)) ? TRUE : FALSE;
}

PVOID MmGetSystemRoutineAddress(PUNICODE_STRING SystemRoutineName) {
  const std::string name = to_utf8({reinterpret_cast<const char16_t*>(SystemRoutineName->Buffer),
                                    SystemRoutineName->Length / sizeof(WCHAR)});
  return const_cast<void*>(find_export(name));
}

VOID ProbeForRead(const volatile VOID* Address, SIZE_T Length, ULONG Alignment) {
  if (Length != 0) probe(address_of(Address), Length, Alignment, KEBOUND_CALLER(), "ProbeForRead");
}

VOID ProbeForWrite(volatile VOID* Address, SIZE_T Length, ULONG Alignment) {
  if (Length == 0) return;
  probe(address_of(Address), Length, Alignment, KEBOUND_CALLER(), "ProbeForWrite");
  // As NT does: a page that cannot be written faults here and not later.
  auto* byte = static_cast<volatile unsigned char*>(Address);
  const volatile unsigned char* const last = byte + Length - 1;
  for (;;) {
    *byte = *byte;
    if (BYTE_OFFSET(byte) + static_cast<uint64_t>(last - byte) < PAGE_SIZE) break;
    byte += PAGE_SIZE - BYTE_OFFSET(byte);
  }
}

}  // extern "C"
