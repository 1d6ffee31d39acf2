// SPDX-License-Identifier: Apache-2.0
//
// A driver as a module of the Linux kernel, whose gs is the kernel's own: what NT inlines is called. There
// is no processor control region.
#ifndef KEBOUND_NT_X64_LINUX_KERNEL_H_
#define KEBOUND_NT_X64_LINUX_KERNEL_H_

#include "types.h"

KEBOUND_NT_BEGIN

// The running thread. Any IRQL; never NULL. Context: an NT thread.
NTKERNELAPI PKTHREAD NTAPI KeGetCurrentThread(VOID);

KEBOUND_NT_END

#endif  // KEBOUND_NT_X64_LINUX_KERNEL_H_
