// SPDX-License-Identifier: Apache-2.0
//
// wdm.h off Windows: the WDK's names, types, values and annotations that a driver with a bound
// callback uses, for C and C++. The same driver source builds as a .so for kebound (gcc or clang,
// -fshort-wchar) and as a .sys (x86_64-w64-mingw32-gcc, import library made from nt/exports.def).
// See cmake/KeboundDriver.cmake.
#ifndef KEBOUND_NT_WDM_H_
#define KEBOUND_NT_WDM_H_

#include "kebound_nt/bound.h"
#include "kebound_nt/dbg.h"
#include "kebound_nt/dispatcher.h"
#include "kebound_nt/ex.h"
#include "kebound_nt/interlocked.h"
#include "kebound_nt/io.h"
#include "kebound_nt/ke.h"
#include "kebound_nt/list.h"
#include "kebound_nt/mm.h"
#include "kebound_nt/platform.h"
#include "kebound_nt/ps.h"
#include "kebound_nt/rtl.h"
#include "kebound_nt/sal.h"
#include "kebound_nt/status.h"
#include "kebound_nt/types.h"
#include "kebound_nt/x64.h"

#endif  // KEBOUND_NT_WDM_H_
