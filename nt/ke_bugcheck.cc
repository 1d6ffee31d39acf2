// SPDX-License-Identifier: Apache-2.0
#include "include/nt/wdm.h"
#include "nt/report.h"

using namespace kebound::nt;

extern "C" {

VOID KeBugCheck(ULONG BugCheckCode) {
  raise_bug_check(static_cast<kebound::nt::BugCheckCode>(BugCheckCode), {}, KEBOUND_CALLER(),
                  "the driver called KeBugCheck");
}

VOID KeBugCheckEx(ULONG BugCheckCode, ULONG_PTR BugCheckParameter1, ULONG_PTR BugCheckParameter2,
                  ULONG_PTR BugCheckParameter3, ULONG_PTR BugCheckParameter4) {
  raise_bug_check(static_cast<kebound::nt::BugCheckCode>(BugCheckCode),
                  {BugCheckParameter1, BugCheckParameter2, BugCheckParameter3, BugCheckParameter4},
                  KEBOUND_CALLER(), "the driver called KeBugCheckEx");
}

}  // extern "C"
