// SPDX-License-Identifier: Apache-2.0
#include "include/nt/wdm.h"
#include "nt/report.h"

using namespace kebound::nt;

namespace {
// The call does not return, so its return address may already belong to the function behind the caller.
uint64_t call_of(uint64_t return_address) { return return_address - 1; }
}  // namespace

extern "C" {

VOID KeBugCheck(ULONG BugCheckCode) {
  raise_bug_check(static_cast<kebound::nt::BugCheckCode>(BugCheckCode), {}, call_of(KEBOUND_CALLER()),
                  "the driver called KeBugCheck");
}

VOID KeBugCheckEx(ULONG BugCheckCode, ULONG_PTR BugCheckParameter1, ULONG_PTR BugCheckParameter2,
                  ULONG_PTR BugCheckParameter3, ULONG_PTR BugCheckParameter4) {
  raise_bug_check(static_cast<kebound::nt::BugCheckCode>(BugCheckCode),
                  {BugCheckParameter1, BugCheckParameter2, BugCheckParameter3, BugCheckParameter4},
                  call_of(KEBOUND_CALLER()), "the driver called KeBugCheckEx");
}

}  // extern "C"
