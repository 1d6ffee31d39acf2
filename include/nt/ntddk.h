// SPDX-License-Identifier: Apache-2.0
#ifndef KEBOUND_NT_NTDDK_H_
#define KEBOUND_NT_NTDDK_H_

#include "wdm.h"

#endif  // KEBOUND_NT_NTDDK_H_
