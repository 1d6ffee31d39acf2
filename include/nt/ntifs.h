// SPDX-License-Identifier: Apache-2.0
#ifndef KEBOUND_NT_NTIFS_H_
#define KEBOUND_NT_NTIFS_H_

#include "ntddk.h"

#endif  // KEBOUND_NT_NTIFS_H_
